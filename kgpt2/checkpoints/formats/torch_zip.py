"""The zip archive that `torch.save` writes: a pickle that describes the tensors, and an entry for each storage."""

import struct
import zipfile
import zlib

from kgpt2.checkpoints.formats.torch_pickle import MAX_BYTES, read_pickle
from kgpt2.errors import RequestError, escaped, quoted

# What zipfile raises for one broken archive or another.
BROKEN = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, struct.error, zipfile.BadZipFile)
_CHUNK = 1 << 20
# What lies before an entry: its mark, and the lengths of two names that follow.
_HEADER, _MARK = struct.Struct("<4s22xHH"), b"PK\3\4"


class TorchZip:
    """An archive whose entries are checked, its storages not read yet.

    Args:
        archive: open.
        where: the name of the file, for errors.

    Attributes:
        value: what the pickle describes.

    Raises:
        RequestError: the archive is none of torch's, or broken.
    """

    def __init__(self, archive: zipfile.ZipFile, where: str):
        self._archive, self._where = archive, where
        self._entries = {entry.filename: entry for entry in archive.infolist()}
        for name, entry in self._entries.items():
            if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
                raise RequestError(f"{where}: refused, the archive has an entry that leads out of it ({quoted(name)})")
            if entry.compress_type != zipfile.ZIP_STORED:
                raise RequestError(f"{where}: refused, {quoted(name)} is compressed, which PyTorch never does")
            if entry.compress_size != entry.file_size:
                raise RequestError(f"{where}: refused, {quoted(name)} claims bytes that are not in the file")
        roots = [name.removesuffix("data.pkl") for name in self._entries if name.split("/")[1:] == ["data.pkl"]]
        if len(roots) != 1:
            raise RequestError(f"{where}: not a PyTorch file (it holds {len(roots)} descriptions of tensors, not one)")
        self._root = roots[0]
        if self._entries[f"{self._root}data.pkl"].file_size > MAX_BYTES:
            raise RequestError(f"{where}: refused, the description of its tensors is too large")
        order = self._entries.get(f"{self._root}byteorder")
        if order and archive.read(order) != b"little":
            raise RequestError(f"{where}: written on a big-endian machine, which kgpt2 does not read")
        with archive.open(f"{self._root}data.pkl") as pickled:
            self.value = read_pickle(pickled, where)
        self._checked: set[str] = set()

    def read(self, key: str, size: int, start: int, count: int) -> bytes:
        """Some bytes of a storage, whose checksum is compared before any are given.

        Args:
            key: of the storage.
            size: what the pickle promised, in bytes.
            start, count: which of them.

        Raises:
            RequestError: the storage is missing, of another size, cut off or damaged.
        """
        entry = self._entries.get(f"{self._root}data/{key}")
        if entry is None or entry.file_size != size:
            found = "missing" if entry is None else f"{entry.file_size} bytes"
            raise RequestError(f"{self._where}: storage {quoted(key)} is {found}, {size} bytes were promised")
        try:
            if count == size:
                data = self._bytes(entry, 0, size)
                self._compare(entry, zlib.crc32(data))
                return data
            if key not in self._checked:
                code = 0
                for place in range(0, size, _CHUNK):
                    code = zlib.crc32(self._bytes(entry, place, min(_CHUNK, size - place)), code)
                self._compare(entry, code)
                self._checked.add(key)
            return self._bytes(entry, start, count)
        except BROKEN as error:
            raise RequestError(f"{self._where}: storage {quoted(key)} cannot be read ({escaped(error)})") from None

    def _bytes(self, entry: zipfile.ZipInfo, start: int, count: int) -> bytes:
        """Straight from the file: `zipfile` would read all that lies before."""
        file = self._archive.fp
        if file is None:
            raise ValueError("the archive is closed")
        file.seek(entry.header_offset)
        mark, *names = _HEADER.unpack(file.read(_HEADER.size))
        if mark != _MARK:
            raise zipfile.BadZipFile("no entry where its directory says")
        file.seek(entry.header_offset + _HEADER.size + sum(names) + start)
        data = file.read(count)
        if len(data) != count:
            raise EOFError(f"{len(data)} of {count} bytes are there")
        return data

    @staticmethod
    def _compare(entry: zipfile.ZipInfo, code: int) -> None:
        if code != entry.CRC:
            raise zipfile.BadZipFile("bad CRC-32")
