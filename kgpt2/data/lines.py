"""The lines of a file as text, read as a stream: gzipped or not, in any encoding, whatever ends a line."""

import codecs
import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from kgpt2.data.example import Report
from kgpt2.data.unpacked import BROKEN_GZIP, MAX_LINE, require_line, unpacked
from kgpt2.encodings import has_byte_order_mark, likelier_byte_order, or_convert, told_encoding
from kgpt2.errors import RequestError, escaped, quoted

_HEAD = 1 << 16  # bytes that are looked at before a file is read
# The supersets that everybody means by these names.
_MEANT = {"gb2312": "gb18030", "gbk": "gb18030"}
_UNDECODED = re.compile("[\udc00-\udcff]")
_UNFIT = re.compile("[\0\udc00-\udcff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def _mark(error: UnicodeError) -> tuple[str | bytes, int]:
    """Each byte that cannot be decoded as a lone surrogate, so that its line can be told; and back again."""
    if isinstance(error, UnicodeDecodeError):
        return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end
    assert isinstance(error, UnicodeEncodeError)
    return bytes(ord(sign) - 0xDC00 for sign in error.object[error.start : error.end]), error.end


codecs.register_error("kgpt2.mark", _mark)


def known_encoding(name: str | None) -> str | None:
    """An encoding under the name that Python gives it; None stays None.

    Raises:
        RequestError: Python knows no such encoding of text.

    Example:
        >>> known_encoding("GBK"), known_encoding("utf8")
        ('gb18030', 'utf-8')
    """
    if name is None:
        return None
    try:
        codec = codecs.lookup(name)
        assert isinstance(codec.incrementaldecoder("kgpt2.mark").decode(b"a"), str)
    except (LookupError, ValueError, TypeError, AssertionError):
        raise RequestError(
            f"data.encoding: {quoted(name)} is no encoding that Python knows; utf-8, gb18030, big5 and utf-16 are some"
        ) from None
    return _MEANT.get(codec.name, codec.name)


class Places:
    """The places of a data file by their numbers: how errors name them, and whether what stands there is text.

    Args:
        path: the file.
        report: is told of what is bad, and how much has been read.
        before, total: bytes of other files that were read before, and of all.

    Attributes:
        path, report: as given.
    """

    _what = "row"

    def __init__(self, path: Path, report: Report, before: int = 0, total: int = 1):
        self.path, self.report, self._before, self._total = path, report, before, total

    def where(self, number: int) -> str:
        """A place, for an error."""
        return f"{self.path}, {self._what} {number}"

    def is_text(self, number: int, text: str) -> bool:
        """Whether a decoded text is one: no NUL, no half of a character; else it is bad. The report gets its place."""
        self.report.place = self.where(number)
        if "\0" in text:
            self.report.bad(*self._nul(number))
            return False
        if text.isascii() or not _SURROGATE.search(text):
            return True
        self.report.bad("not UTF-8", f"{self.where(number)}: half a character (a lone surrogate)")
        return False

    def passed(self, share: float) -> None:
        """So much of the file, from 0 to 1, has been read."""
        self.report.done = (self._before + share * self.path.stat().st_size) / self._total

    def _nul(self, number: int) -> tuple[str, str]:
        return "NUL character", f"{self.where(number)}: a NUL character, which no text holds; is the file damaged?"


class Lines(Places):
    """The lines of a file, and where in it the reader is.

    Args:
        path: the file; `.gz` is unpacked.
        report: is told of bad lines, and how much has been read.
        encoding: from `known_encoding`; None: UTF-8.
        before, total: bytes of other files that were read before, and of all.

    Attributes:
        path, report: as given.

    Raises:
        RequestError: the file cannot be read, or as a whole is in another encoding.
    """

    _what = "line"

    def __init__(self, path: Path, report: Report, encoding: str | None = None, before: int = 0, total: int = 1):
        super().__init__(path, report, before, total)
        self._given = encoding
        with _opened(path) as (_, binary):
            head = binary.read(_HEAD)
        if encoding is None:
            self._refuse_other_encoding(head if len(head) < _HEAD else head[: head.rfind(b"\n") + 1] or head)
        self._encoding = _with_byte_order(encoding or "utf-8", head)
        text = codecs.getincrementaldecoder(self._encoding)("kgpt2.mark").decode(head)
        self._newline = "\r" if "\r" in text.removesuffix("\r") and "\n" not in text else "\n"
        self._head = text if len(head) < _HEAD else text[: text.rfind(self._newline) + 1]

    @property
    def head(self) -> list[str]:
        """The first lines, as far as they were looked at, with their ends."""
        return list(io.StringIO(self._head.removeprefix("\ufeff"), newline=self._newline))

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Numbered from 1, with their ends; the byte order mark is left out, bytes that are no text are marked."""
        with _opened(self.path) as (raw, binary):
            text = io.TextIOWrapper(binary, self._encoding, errors="kgpt2.mark", newline=self._newline)
            for number, line in enumerate(iter(lambda: text.readline(MAX_LINE + 1), ""), 1):
                require_line(line, self.where(number))
                if number % 1024 == 1:
                    self.report.done = (self._before + raw.tell()) / self._total
                yield number, line.removeprefix("\ufeff") if number == 1 else line

    def good(self) -> Iterator[tuple[int, str]]:
        """The lines that can be read; the others are counted as bad."""
        return ((number, line) for number, line in self if self.is_good(number, line))

    def is_good(self, number: int, line: str) -> bool:
        """Whether a line, or a part of one, is text; where it is not, it is bad. The report gets its place."""
        self.report.place = self.where(number)
        if fault := self.fault(number, line):
            self.report.bad(*fault)
        return not fault

    def fault(self, number: int, line: str) -> tuple[str, str] | None:
        """Why a line, or a part of one, is no text: the reason it is counted under, and what a user is told."""
        if not _UNFIT.search(line):
            return None
        name = (self._given or "utf-8").upper()
        if undecoded := _UNDECODED.search(line):
            byte = ord(undecoded.group()) - 0xDC00
            told = told_encoding(line.encode("utf-8", "kgpt2.mark")) if self._given is None else None
            guess = (
                f", it looks like {told}; --encoding {told.lower()} (data.encoding) reads such files" if told else ""
            )
            return f"not {name}", f"{self.where(number)}: not {name} (a byte is 0x{byte:02x}){guess}"
        return self._nul(number)

    def _refuse_other_encoding(self, head: bytes) -> None:
        """Refuses a file whose beginning is in another encoding; one bad line among good ones is a bad row."""
        told, number = told_encoding(head), 1
        if told is None or not told.startswith("UTF"):
            lines = head.split(b"\n")
            bad = [place for place, line in enumerate(lines) if _is_bad(line)]
            good = sum(1 for line in lines if not line.isascii()) - len(bad)
            alone = sum(1 for line in lines if line.strip()) == 1
            if not bad or (len(bad) == 1 and not alone) or good >= len(bad):
                return
            told, number = told_encoding(b"\n".join(lines[place] for place in bad)), bad[0] + 1
        if told:
            byte = next((byte for byte in head.split(b"\n")[number - 1] if byte > 127 or byte == 0), 0)
            convert = "" if self.path.suffix == ".gz" else or_convert(told, self.path.name)
            raise RequestError(
                f"{self.where(number)}: not UTF-8 (a byte is 0x{byte:02x}), it looks like {told}\n"
                f"--encoding {told.lower()} (data.encoding) reads it{convert}"
            )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """A file as it lies on disk, which tells how much of it is read, and the same unpacked."""
    try:
        with unpacked(path, path.suffix == ".gz") as opened:
            yield opened
    except BROKEN_GZIP as error:
        raise RequestError(f"{path}: not a whole gzip file ({escaped(error)})") from None


def _with_byte_order(encoding: str, head: bytes) -> str:
    """UTF-16 and UTF-32 without a byte order mark in the order that the text itself tells."""
    if encoding not in ("utf-16", "utf-32") or has_byte_order_mark(head):
        return encoding
    return likelier_byte_order(head, encoding)


def _is_bad(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return True
    return False
