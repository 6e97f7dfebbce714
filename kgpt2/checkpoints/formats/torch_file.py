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
from kgpt2.checkpoints.tensors import DTYPES, StoredTensor, Tensors
from kgpt2.errors import RequestError

# The description of gpt2-xl's tensors takes 0.1 MB.
MAX_PICKLE_BYTES = 64 << 20
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
# What zipfile raises for one broken archive or another.
_BROKEN = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, struct.error, zipfile.BadZipFile)


@contextlib.contextmanager
def open_torch(path: Path) -> Iterator[Tensors]:
    """The float tensors of a state dict by name; buffers of other types (causal masks) are left out.

    Raises:
        RequestError: the file is broken, is no state dict, or asks for anything but tensors.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            if zipfile.is_zipfile(path):
                value, read_storage = _open_zip(stack.enter_context(zipfile.ZipFile(file)), str(path))
            else:
                value, read_storage = _open_legacy(file, str(path))
        except _BROKEN as error:
            raise RequestError(f"{path}: not a PyTorch file that can be read ({error})") from None
        yield _tensors(value, read_storage, str(path))


ReadStorage = Callable[[Storage], bytes]


def _open_zip(archive: zipfile.ZipFile, where: str) -> tuple[object, ReadStorage]:
    entries = {entry.filename: entry for entry in archive.infolist()}
    for name, entry in entries.items():
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
            raise RequestError(f"{where}: refused, the archive has an entry that leads out of it ({name!r})")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise RequestError(f"{where}: refused, {name!r} is compressed, which PyTorch never does")
    roots = [name.removesuffix("data.pkl") for name in entries if name.split("/")[1:] == ["data.pkl"]]
    if len(roots) != 1:
        raise RequestError(f"{where}: not a PyTorch file (it holds {len(roots)} descriptions of tensors, not one)")
    root = roots[0]
    if entries[root + "data.pkl"].file_size > MAX_PICKLE_BYTES:
        raise RequestError(f"{where}: refused, the description of its tensors is too large")
    if f"{root}byteorder" in entries and archive.read(f"{root}byteorder") != b"little":
        raise RequestError(f"{where}: written on a big-endian machine, which kgpt2 does not read")

    def read_storage(storage: Storage) -> bytes:
        entry = entries.get(f"{root}data/{storage.key}")
        wanted = storage.size * _dtype(storage).itemsize
        if entry is None or entry.file_size != wanted:
            found = "missing" if entry is None else f"{entry.file_size} bytes"
            raise RequestError(f"{where}: storage {storage.key!r} is {found}, {wanted} bytes were promised")
        try:
            return archive.read(entry)
        except _BROKEN as error:
            raise RequestError(f"{where}: storage {storage.key!r} cannot be read ({error})") from None

    with archive.open(root + "data.pkl") as pickled:
        return read_pickle(pickled, where), read_storage


def _open_legacy(file: BinaryIO, where: str) -> tuple[object, ReadStorage]:
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
    length = file.seek(0, 2)
    for key in keys:
        wanted = storages[key].size * _dtype(storages[key]).itemsize
        file.seek(position)
        (size,) = struct.unpack("<q", file.read(8))
        if size != storages[key].size or position + 8 + wanted > length:
            raise RequestError(f"{where}: storage {key!r} is cut off or of another size than promised")
        places[key] = position + 8, wanted
        position += 8 + wanted

    def read_storage(storage: Storage) -> bytes:
        if storage.key not in places:
            raise RequestError(f"{where}: storage {storage.key!r} is missing")
        start, size = places[storage.key]
        file.seek(start)
        return file.read(size)

    return value, read_storage


def _tensors(value: object, read_storage: ReadStorage, where: str) -> dict[str, StoredTensor]:
    tensors = {}
    for name, view in _views(value).items():
        if view.storage.dtype not in DTYPES:
            continue
        _require_inside(name, view, where)
        tensors[name] = StoredTensor(view.shape, _dtype(view.storage), _reader(view, read_storage))
    if not tensors:
        found = ", ".join(map(repr, list(value)[:3])) if isinstance(value, dict) and value else "nothing"
        raise RequestError(f"{where}: a file of weights is a state dict, tensors by name; this one holds {found}")
    return tensors


def _views(value: object) -> dict[str, TensorView]:
    if not isinstance(value, dict):
        return {}
    return {name: view for name, view in value.items() if isinstance(name, str) and isinstance(view, TensorView)}


def _require_inside(name: str, view: TensorView, where: str) -> None:
    last = view.offset + sum((size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True))
    if 0 not in view.shape and last >= view.storage.size:
        raise RequestError(f"{where}: {name} reaches beyond its storage; the file is broken")
    if math.prod(view.shape) > view.storage.size:
        raise RequestError(f"{where}: {name} claims more numbers than its storage holds")


def _reader(view: TensorView, read_storage: ReadStorage) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        numbers = np.frombuffer(read_storage(view.storage), _dtype(view.storage))[view.offset :]
        strides = [stride * numbers.itemsize for stride in view.strides]
        return np.lib.stride_tricks.as_strided(numbers, view.shape, strides, writeable=False)

    return read


def _dtype(storage: Storage) -> np.dtype:
    return DTYPES.get(storage.dtype) or np.dtype(storage.dtype)
