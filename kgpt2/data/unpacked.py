"""A data file opened to be read, gzipped or not: what it is packed into cannot fill the memory, or keep one waiting."""

import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from kgpt2.errors import RequestError
from kgpt2.files import open_regular

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Characters or bytes. A novel has 2 million; a longer line is no example that anything could be learned from.
MAX_LINE = 16 << 20
BROKEN_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)
# Text is packed to a third or a tenth of its size; a file that unfolds to more than this many times is none.
_TIMES = 20
_UNLOOKED = 4 << 20


@contextlib.contextmanager
def unpacked(path: Path, packed: bool) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The file as it is, whose position tells how far the reader is, and its content.

    Raises:
        RequestError: it cannot be read, or unfolds to far more than a text does.
        BadGzipFile, EOFError, zlib.error: it is no whole gzip file; see `BROKEN_GZIP`.
    """
    with open_regular(path, "data file") as raw:
        try:
            yield raw, io.BufferedReader(_Unfolding(path, raw)) if packed else raw
        except BROKEN_GZIP:
            raise
        except OSError as error:
            raise RequestError(f"{path}: cannot be read ({error.strerror or error})") from None


def require_line(line: str | bytes, where: str) -> None:
    """Refuses a line that is none.

    Raises:
        RequestError: it has more than `MAX_LINE` characters or bytes.
    """
    if len(line) > MAX_LINE:
        raise RequestError(f"{where}: refused, a line of more than {MAX_LINE:,} characters")


def swells(unfolded: int, packed: int) -> bool:
    """Whether something unfolds to more bytes than a text that is packed so small does.

    Example:
        >>> swells(3_000_000, 1_000), swells(3_000_000_000, 1_000_000)
        (False, True)
    """
    return unfolded > _UNLOOKED and unfolded > _TIMES * packed


class _Unfolding(io.RawIOBase):
    """The content of a gzip file, counted as it unfolds."""

    def __init__(self, path: Path, raw: BinaryIO):
        self._path, self._raw, self._file, self._unfolded = path, raw, gzip.GzipFile(fileobj=raw), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count = self._file.readinto(buffer)
        self._unfolded += count
        if swells(self._unfolded, self._raw.tell()):
            raise RequestError(
                f"{self._path}: refused, it unfolds to more than {_TIMES} times its size\n"
                "if it is good text all the same, gunzip it and give the file itself"
            )
        return count
