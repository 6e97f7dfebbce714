"""Plain files as examples, read as a stream: .txt, .csv, .tsv, .jsonl and .json, gzipped or not."""

import csv
import dataclasses
import glob
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kgpt2.data.example import Example, Report, Source
from kgpt2.data.template import DEFAULT_COLUMNS, default_template, fields, fill
from kgpt2.data.unpacked import BROKEN_GZIP, MAX_LINE, require_line, unpacked
from kgpt2.errors import RequestError, escaped
from kgpt2.files import json_fault, open_regular, user_path

UNITS = ("line", "block", "file")
_UNDECODED = re.compile("[\udc80-\udcff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclasses.dataclass(frozen=True)
class Columns:
    """Which part of a row is what, each a column or a template such as "{title}: {text}".

    Attributes:
        text: what is learned; None: the first of the choices, or the only column.
        prompt: what is read before and not learned; None: nothing.
        choices: templates for the text where it is None; the first one whose columns are there.
    """

    text: str | None = None
    prompt: str | None = None
    choices: tuple[str, ...] = DEFAULT_COLUMNS


def open_files(specs: Sequence[str], columns: Columns = Columns(), unit: str = "line") -> Source:
    """Files as a source.

    Args:
        specs: paths, or patterns such as `poems/*.txt` (`**` for folders in folders; matches in the order of names).
        columns: for files that have any.
        unit: what an example of a .txt is: a line, a block (up to a blank line) or the whole file.

    Raises:
        RequestError: there is no such file, or kgpt2 does not read such files.
    """
    paths = [path for spec in specs for path in _expand(spec)]
    for path in paths:
        kind = _kind(path)
        if kind == ".txt" and (columns.text or columns.prompt):
            named = columns.text or columns.prompt
            raise RequestError(f"data.text: {named!r} names a column, and {path} has none (a {unit} is an example)")

    def identity() -> str:
        return digest_of(paths, (columns, unit))

    def read(report: Report) -> Iterator[Example]:
        total = sum(path.stat().st_size for path in paths) or 1
        before = 0
        for path in paths:
            for text, prompt in _READERS[_kind(path)](_Stream(path, report, before, total), columns, unit):
                if text := text.strip():
                    report.found = True
                    yield Example(text, prompt)
                else:
                    report.drop("empty", f"{path}: an empty row")
            before += path.stat().st_size
        report.done = 1.0

    return Source(", ".join(specs), identity, read)


def digest_of(paths: Sequence[Path], settings: Any) -> str:
    """A digest of the content of files and of what is done with them.

    Raises:
        RequestError: a file cannot be read.
    """
    digest = hashlib.sha256(repr(settings).encode())
    for path in paths:
        try:
            with open_regular(path, "data file") as file:
                digest.update(f"{_kind(path)} {hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
        except OSError as error:
            raise RequestError(f"{path}: cannot be read ({error.strerror})") from None
    return digest.hexdigest()


class _Stream:
    """The lines of a file, and where in it the reader is."""

    def __init__(self, path: Path, report: Report, before: int, total: int):
        self.path, self.report, self._before, self._total = path, report, before, total
        self._settled: dict[tuple[str, ...], Columns] = {}

    def where(self, line: int) -> str:
        return f"{self.path}, line {line}"

    def raw_lines(self) -> Iterator[bytes]:
        """Each with its line feed; the byte order mark left out."""
        try:
            with unpacked(self.path, self.path.suffix == ".gz") as (file, opened):
                for number, line in enumerate(iter(lambda: opened.readline(MAX_LINE + 1), b"")):
                    require_line(line, self.where(number + 1))
                    if number % 1024 == 0:
                        self.report.done = (self._before + file.tell()) / self._total
                    yield line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
        except BROKEN_GZIP as error:
            raise RequestError(f"{self.path}: not a whole gzip file ({escaped(error)})") from None

    def lines(self) -> Iterator[tuple[int, str]]:
        """Numbered from 1; those that are not UTF-8 are counted as bad."""
        for number, line in enumerate(self.raw_lines(), 1):
            try:
                yield number, line.decode("utf-8")
            except UnicodeDecodeError as error:
                self.report.bad("not UTF-8", _not_utf8(self.where(number), f"0x{line[error.start]:02x}"))

    def row(self, number: int, row: dict, columns: Columns) -> tuple[str, str] | None:
        """Text and prompt of a row; None where it is bad, which is counted."""
        where, reason = self.where(number), "missing column"
        try:
            names = tuple(row)
            if names not in self._settled:  # rows of a file mostly have the same columns
                self._settled = {names: _settled(columns, names, where)}
            columns = self._settled[names]
            reason = "no text in the column"
            text, prompt = fill(columns.text, row, where), fill(columns.prompt, row, where) if columns.prompt else ""
        except RequestError as error:
            self.report.bad(reason, str(error))
            return None
        return (text, prompt) if self.is_text(number, text + prompt) else None

    def is_text(self, number: int, text: str) -> bool:
        """Whether a text out of JSON can be written as UTF-8; where not (\\ud83d alone), it is counted as bad."""
        if text.isascii() or not _SURROGATE.search(text):
            return True
        self.report.bad("not UTF-8", f"{self.where(number)}: half a character (a lone surrogate)")
        return False


def _settled(columns: Columns, names: Sequence[str], where: str) -> Columns:
    """Columns that say which holds the text, checked against those that there are."""
    text = columns.text or default_template(names, where, columns.choices)
    for template in filter(None, (text, columns.prompt)):
        fields(template, names, where)
    return dataclasses.replace(columns, text=text)


def _text(stream: _Stream, columns: Columns, unit: str) -> Iterator[tuple[str, str]]:
    if unit == "line":
        for _, line in stream.lines():
            yield line, ""
    elif unit == "file":
        yield "".join(line for _, line in stream.lines()), ""
    else:
        block: list[str] = []
        for _, line in stream.lines():
            if line.strip():
                block.append(line.rstrip())
            elif block:
                yield "\n".join(block), ""
                block = []
        if block:
            yield "\n".join(block), ""


def _table(delimiter: str) -> Callable[[_Stream, Columns, str], Iterator[tuple[str, str]]]:
    def read(stream: _Stream, columns: Columns, unit: str) -> Iterator[tuple[str, str]]:
        csv.field_size_limit(2**31 - 1)
        lines = (line.decode("utf-8", "surrogateescape") for line in stream.raw_lines())
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        names: list[str] = []
        while True:
            try:
                values = next(rows, None)
            except csv.Error as error:
                kind = _kind(stream.path)[1:].upper()
                stream.report.bad(f"not {kind}", f"{stream.where(rows.line_num)}: not {kind} ({error})")
                continue
            if values is None:
                return
            if not values:
                continue
            if not names:
                names = [value.strip() for value in values]
                if found := _UNDECODED.search("".join(names)):
                    raise RequestError(_not_utf8(stream.where(rows.line_num), _byte(found)))
                columns = _settled(columns, names, str(stream.path))
            elif any(map(_UNDECODED.search, values)):
                found = next(filter(None, map(_UNDECODED.search, values)))
                stream.report.bad("not UTF-8", _not_utf8(stream.where(rows.line_num), _byte(found)))
            elif len(values) > len(names):
                many = f"{len(values)} fields, the header has {len(names)} (a field with a {delimiter!r} needs quotes)"
                stream.report.bad("too many fields", f"{stream.where(rows.line_num)}: {many}")
            elif filled := stream.row(rows.line_num, dict(zip(names, values, strict=False)), columns):
                yield filled

    return read


def _json_lines(stream: _Stream, columns: Columns, unit: str) -> Iterator[tuple[str, str]]:
    for number, line in stream.lines():
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = json_fault(error)
            stream.report.bad("broken JSON", f"{stream.where(number)}: broken JSON ({reason})")
            continue
        yield from _json_row(stream, number, row, columns)


def _json_list(stream: _Stream, columns: Columns, unit: str) -> Iterator[tuple[str, str]]:
    text = "".join(line for _, line in stream.lines())
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise RequestError(f"{stream.where(error.lineno)}: broken JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{stream.path}: broken JSON ({json_fault(error)})") from None
    if not isinstance(rows, list):
        raise RequestError(f"{stream.path}: a list of rows was expected, as [{{...}}, {{...}}]")
    for number, row in enumerate(rows, 1):
        yield from _json_row(stream, number, row, columns)


def _json_row(stream: _Stream, number: int, row: object, columns: Columns) -> Iterator[tuple[str, str]]:
    if isinstance(row, str) and not (columns.text or columns.prompt):
        if stream.is_text(number, row):
            yield row, ""
    elif not isinstance(row, dict):
        reason = "a row must be a JSON object with the text in a column"
        stream.report.bad("no JSON object", f"{stream.where(number)}: {reason}")
    elif filled := stream.row(number, row, columns):
        yield filled


_READERS = {".txt": _text, ".csv": _table(","), ".tsv": _table("\t"), ".jsonl": _json_lines, ".json": _json_list}


def _kind(path: Path) -> str:
    """What a file is read as, by its name without .gz."""
    name = path.with_suffix("") if path.suffix == ".gz" else path
    if name.suffix.lower() not in _READERS:
        raise RequestError(f"{path}: a kind of file that kgpt2 does not read; it reads {', '.join(_READERS)} (and .gz)")
    return name.suffix.lower()


def _expand(spec: str) -> list[Path]:
    path = user_path(spec)
    if path.is_dir():
        raise RequestError(f"{path}: this is a directory; give its files, for instance '{path}/*.txt'")
    if path.exists():
        return [path]
    if not glob.has_magic(spec):
        raise RequestError(f"{path}: there is no such data file")
    found = [one for one in sorted(map(Path, glob.glob(str(path), recursive=True))) if one.is_file()]
    if not found:
        raise RequestError(f"{spec}: no file has such a name")
    return found


def _byte(undecoded: re.Match) -> str:
    return f"0x{ord(undecoded.group()) - 0xDC00:02x}"


def _not_utf8(where: str, byte: str) -> str:
    return f"{where}: not UTF-8 (a byte is {byte}); to convert the file: iconv -f GB18030 -t UTF-8"


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in columns[:8])
    return (shown or "none") + (f" and {len(columns) - 8} more" if len(columns) > 8 else "")
