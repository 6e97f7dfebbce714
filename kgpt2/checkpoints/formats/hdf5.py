"""HDF5 files of weights, with nothing in them that leads out of the file or claims what is not there."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from kgpt2.checkpoints.formats.hdf5_probe import require_sound
from kgpt2.checkpoints.tensors import DTYPES, StoredTensor
from kgpt2.errors import RequestError, escaped
from kgpt2.files import require_regular

MAX_DEPTH = 16
MAX_OBJECTS = 8_000  # groups and datasets; gpt2-xl has 1,500
# What h5py raises for one broken file or another.
_BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[dict[str, StoredTensor]]:
    """All float datasets of a file by their path inside it.

    Raises:
        RequestError: the file is broken, holds links out of itself or to one object twice, or data that is virtual,
            compressed, unwritten or shared.
    """
    require_regular(path, "file of weights")
    require_sound(path)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(h5py.File(path, "r"))
            tensors = dict(_Tree(str(path)).datasets(file, "", 0))
        except _BROKEN as error:
            raise RequestError(f"{path}: not an HDF5 file that can be read ({escaped(error)})") from None
        claimed, length = sum(tensor.nbytes for tensor in tensors.values()), path.stat().st_size
        if claimed > length:
            raise RequestError(f"{path}: refused, its tensors share {length:,} bytes and claim {claimed:,}")
        yield tensors


def walk(path: str) -> None:
    """Reads all of a file's description and none of its data; see `hdf5_probe`."""
    with h5py.File(path, "r") as file:
        for _ in _Tree(path).datasets(file, "", 0):
            pass


class _Tree:
    """A walk through a file that meets each object once.

    Args:
        where: the name of the file, for errors.
    """

    def __init__(self, where: str):
        self._where = where
        self._met: set[int] = set()

    def datasets(self, group: h5py.Group, prefix: str, depth: int) -> Iterator[tuple[str, StoredTensor]]:
        """The float datasets below a group by their path."""
        if depth > MAX_DEPTH:
            raise RequestError(f"{self._where}: refused, its groups are nested too deeply")
        if len(group) > MAX_OBJECTS:
            raise RequestError(f"{self._where}: refused, it holds more than {MAX_OBJECTS:,} objects")
        for name in group:
            item = self._object(group, name, prefix + name)
            if isinstance(item, h5py.Group):
                yield from self.datasets(item, f"{prefix}{name}/", depth + 1)
            elif isinstance(item, h5py.Dataset) and (dtype := _float_type(item)) is not None:
                _require_plain(item, escaped(prefix + name), self._where)
                yield prefix + name, StoredTensor(item.shape, dtype, functools.partial(_read, item, dtype))

    def _object(self, group: h5py.Group, name: str, path: str) -> h5py.HLObject:
        """What a name stands for, met for the first time: through links of links a small file has endless paths."""
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise RequestError(f"{self._where}: refused, {escaped(path)} is a link, which no file of weights needs")
        item = group[name]
        address = h5py.h5o.get_info(item.id).addr
        if address in self._met:
            raise RequestError(f"{self._where}: refused, {escaped(path)} is linked twice")
        if len(self._met) == MAX_OBJECTS:
            raise RequestError(f"{self._where}: refused, it holds more than {MAX_OBJECTS:,} objects")
        self._met.add(address)
        return item


def _float_type(dataset: h5py.Dataset) -> np.dtype[Any] | None:
    if dataset.shape is None:  # a null space: no array at all
        return None
    mark = dataset.attrs.get("dtype")
    if isinstance(mark, str) and mark == "bfloat16" and dataset.dtype.kind in "Vfu":
        return np.dtype(DTYPES["bfloat16"])  # Keras' mark: HDF5 has no such type
    known: Iterator[np.dtype[Any]] = (dtype for dtype in DTYPES.values() if dataset.dtype == dtype)
    return next(known, None)


def _require_plain(dataset: h5py.Dataset, name: str, where: str) -> None:
    """Reading a dataset must touch this file only, and take no more memory than the file has bytes for it."""
    if dataset.external or dataset.is_virtual:
        raise RequestError(f"{where}: refused, the data of {name} lies outside the file")
    if dataset.id.get_create_plist().get_nfilters():
        raise RequestError(f"{where}: refused, {name} is compressed, which Keras never does")
    if dataset.id.get_storage_size() != dataset.nbytes:
        raise RequestError(f"{where}: refused, {name} claims {dataset.nbytes:,} bytes that are not in the file")
    if dataset.chunks is not None:  # the index of the chunks is a structure of its own, read with the data
        raise RequestError(f"{where}: refused, {name} is stored in chunks, which Keras never does")


def _read(dataset: h5py.Dataset, dtype: np.dtype) -> np.ndarray:
    try:
        array = np.asarray(dataset[()])
    except _BROKEN as error:
        raise RequestError(
            f"{dataset.file.filename}: {escaped(dataset.name)} cannot be read ({escaped(error)})"
        ) from None
    return array.view(dtype) if array.dtype.itemsize == dtype.itemsize else array.astype(dtype)
