"""HDF5 files of weights, with nothing in them that leads out of the file or claims what is not there."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from kgpt2.checkpoints.tensors import DTYPES, StoredTensor
from kgpt2.errors import RequestError

MAX_DEPTH = 16


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[dict[str, StoredTensor]]:
    """All float datasets of a file by their path inside it.

    Raises:
        RequestError: the file is broken, or holds links out of itself, virtual or unwritten data.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(h5py.File(path, "r"))
            tensors = dict(_datasets(file, "", str(path), 0))
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise RequestError(f"{path}: not an HDF5 file that can be read ({error})") from None
        yield tensors


def _datasets(group: h5py.Group, prefix: str, where: str, depth: int) -> Iterator[tuple[str, StoredTensor]]:
    if depth > MAX_DEPTH:
        raise RequestError(f"{where}: refused, its groups are nested too deeply")
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise RequestError(f"{where}: refused, {prefix}{name} is a link, which no file of weights needs")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _datasets(item, f"{prefix}{name}/", where, depth + 1)
        elif isinstance(item, h5py.Dataset):
            dtype = _float_type(item)
            if dtype is not None:
                _require_plain(item, f"{prefix}{name}", where)
                yield prefix + name, StoredTensor(item.shape, dtype, lambda item=item, dtype=dtype: _read(item, dtype))


def _float_type(dataset: h5py.Dataset) -> np.dtype | None:
    if dataset.attrs.get("dtype") == "bfloat16":  # Keras' mark: HDF5 has no such type
        return DTYPES["bfloat16"]
    return next((dtype for dtype in DTYPES.values() if dataset.dtype == dtype), None)


def _require_plain(dataset: h5py.Dataset, name: str, where: str) -> None:
    """Reading a dataset must touch this file only, and take no more memory than the file has bytes for it."""
    if dataset.external or dataset.is_virtual:
        raise RequestError(f"{where}: refused, the data of {name} lies outside the file")
    if dataset.id.get_storage_size() != dataset.nbytes:
        raise RequestError(f"{where}: refused, {name} claims {dataset.nbytes:,} bytes that are not in the file")


def _read(dataset: h5py.Dataset, dtype: np.dtype) -> np.ndarray:
    try:
        array = dataset[()]
    except (OSError, RuntimeError) as error:
        raise RequestError(f"{dataset.file.filename}: {dataset.name} cannot be read ({error})") from None
    return array.view(dtype) if array.dtype.itemsize == dtype.itemsize else array.astype(dtype)
