"""`pytorch_model.bin`, the zip format (since PyTorch 1.6) and the one before it, without torch and without pickle."""

import contextlib
import math
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kgpt2.checkpoints.formats.torch_pickle import Storage, TensorView, read_pickle
from kgpt2.checkpoints.formats.torch_zip import BROKEN, TorchZip
from kgpt2.checkpoints.tensors import DTYPES, StoredTensor, Tensors
from kgpt2.errors import RequestError, escaped, quoted
from kgpt2.files import open_regular

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
# A tied output layer is the embedding once more, and a tensor cut out of a wider one reaches over the rest of it.
_TIMES_THE_FILE = 4

# From a storage, the first of its bytes and their number to the bytes.
ReadBytes = Callable[[Storage, int, int], bytes]


@contextlib.contextmanager
def open_torch(path: Path) -> Iterator[Tensors]:
    """The float tensors of a state dict by name; buffers of other types (causal masks) are left out.

    Raises:
        RequestError: the file is broken, is no state dict, or asks for anything but tensors.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open_regular(path, "file of weights"))
        try:
            length = file.seek(0, 2)
            file.seek(0)
            if zipfile.is_zipfile(file):
                value, read_bytes = _open_zip(stack.enter_context(zipfile.ZipFile(file)), str(path))
            else:
                value, read_bytes = _open_legacy(file, length, str(path))
        except BROKEN as error:
            reason = escaped(error) or "it is cut off"
            raise RequestError(f"{path}: not a PyTorch file that can be read ({reason})") from None
        yield _tensors(value, read_bytes, length, str(path))


def _open_zip(opened: zipfile.ZipFile, where: str) -> tuple[object, ReadBytes]:
    archive = TorchZip(opened, where)

    def read_bytes(storage: Storage, start: int, count: int) -> bytes:
        return archive.read(storage.key, _size(storage), start, count)

    return archive.value, read_bytes


def _open_legacy(file: BinaryIO, length: int, where: str) -> tuple[object, ReadBytes]:
    file.seek(0)
    start = file.read(2)
    if start == b"PK":
        raise RequestError(f"{where}: not a PyTorch file that can be read (a zip archive that is cut off)")
    if start[:1] != b"\x80":
        raise RequestError(f"{where}: not a PyTorch file (neither a zip archive nor a pickle)")
    file.seek(0)
    if read_pickle(file, where) != LEGACY_MAGIC or read_pickle(file, where) != LEGACY_PROTOCOL:
        raise RequestError(f"{where}: not a PyTorch file (its first words are others)")
    system = read_pickle(file, where)
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise RequestError(f"{where}: written on a big-endian machine, which kgpt2 does not read")
    value, keys = read_pickle(file, where), read_pickle(file, where)
    storages = {view.storage.key: view.storage for view in _views(value).values()}
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in storages for key in keys):
        raise RequestError(f"{where}: not a PyTorch file that can be read (its list of storages is broken)")
    places = {}
    position = file.tell()
    for key in keys:
        wanted = _size(storages[key])
        file.seek(position)
        (size,) = struct.unpack("<q", file.read(8))
        if size != storages[key].size or position + 8 + wanted > length:
            raise RequestError(f"{where}: storage {quoted(key)} is cut off or of another size than promised")
        places[key] = position + 8, wanted
        position += 8 + wanted

    def read_bytes(storage: Storage, start: int, count: int) -> bytes:
        place, size = places.get(storage.key, (0, 0))
        if size != _size(storage):
            raise RequestError(f"{where}: storage {quoted(storage.key)} is missing, or of another size than promised")
        file.seek(place + start)
        data = file.read(count)
        if len(data) != count:
            raise RequestError(f"{where}: storage {quoted(storage.key)} is cut off")
        return data

    return value, read_bytes


def _tensors(value: object, read_bytes: ReadBytes, length: int, where: str) -> dict[str, StoredTensor]:
    tensors = {}
    reach = 0
    for name, view in _views(value).items():
        if view.storage.dtype not in DTYPES:
            continue
        _require_inside(name, view, where)
        reach += _span(view) * _dtype(view.storage).itemsize
        tensors[name] = StoredTensor(view.shape, _dtype(view.storage), _reader(view, read_bytes))
    if not tensors:
        if types := {view.storage.dtype for view in _views(value).values()}:
            raise RequestError(f"{where}: its tensors are of type {', '.join(sorted(types))}, which no weights are")
        found = ", ".join(map(quoted, list(value)[:3])) if isinstance(value, dict) and value else "nothing"
        raise RequestError(f"{where}: a file of weights is a state dict, tensors by name; this one holds {found}")
    if reach > _TIMES_THE_FILE * length:
        raise RequestError(f"{where}: refused, its tensors share {length:,} bytes and claim {reach:,}")
    return tensors


def _views(value: object) -> dict[str, TensorView]:
    if not isinstance(value, dict):
        return {}
    return {name: view for name, view in value.items() if isinstance(name, str) and isinstance(view, TensorView)}


def _span(view: TensorView) -> int:
    """How many numbers lie from the first of a tensor to its last, both included."""
    if 0 in view.shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True))


def _require_inside(name: str, view: TensorView, where: str) -> None:
    if view.offset + _span(view) > view.storage.size:
        raise RequestError(f"{where}: {escaped(name)} reaches beyond its storage; the file is broken")
    if math.prod(view.shape) > view.storage.size:
        raise RequestError(f"{where}: {escaped(name)} claims more numbers than its storage holds")


def _reader(view: TensorView, read_bytes: ReadBytes) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        dtype = _dtype(view.storage)
        data = read_bytes(view.storage, view.offset * dtype.itemsize, _span(view) * dtype.itemsize)
        # A dimension of one place may name any stride.
        steps = zip(view.shape, view.strides, strict=True)
        strides = [stride * dtype.itemsize if size > 1 else 0 for size, stride in steps]
        return np.ndarray(view.shape, dtype, data, strides=strides)

    return read


def _dtype(storage: Storage) -> np.dtype:
    return DTYPES.get(storage.dtype) or np.dtype(storage.dtype)


def _size(storage: Storage) -> int:
    """In bytes."""
    return storage.size * _dtype(storage).itemsize
