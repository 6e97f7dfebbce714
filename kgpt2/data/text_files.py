"""Files as examples, read as a stream: .txt, .csv, .tsv, .jsonl and .json, gzipped or not, and .parquet."""

import collections
import dataclasses
import glob
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from kgpt2.data import parquet
from kgpt2.data.example import Example, Report, Source
from kgpt2.data.lines import Lines, Places, known_encoding
from kgpt2.data.tables import read_rows
from kgpt2.data.template import ANY_TEXT, Columns, default_template, fill, has, listed, settle
from kgpt2.errors import RequestError, quoted
from kgpt2.files import json_fault, open_regular, user_path

# Counted up where the same files would give other examples than before.
REVISION = 2
UNITS = ("line", "block", "file")
_VISIBLE = re.compile("[^\\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u115f\u1160\u180e\u2800\u3164\uffa0]")
_SETTLING = 100  # rows of JSON by which the column with the text is settled


def open_files(
    specs: Sequence[str], columns: Columns = ANY_TEXT, unit: str = "line", encoding: str | None = None
) -> Source:
    """Files as a source.

    Args:
        specs: paths, or patterns such as `poems/*.txt` (`**` for folders in folders; matches in the order of names).
        columns: for files that have any.
        unit: what an example of a .txt is: a line, a block (up to a blank line) or the whole file.
        encoding: of the files, but for Parquet, which knows UTF-8 alone; None: UTF-8.

    Raises:
        RequestError: there is no such file, or kgpt2 does not read such files.
    """
    encoding = known_encoding(encoding)
    paths = [path for spec in specs for path in _expand(spec)]
    for path in paths:
        kind = _kind(path)
        if kind == ".txt" and (columns.text or columns.prompt):
            named = columns.text or columns.prompt
            raise RequestError(
                f"data.text: {quoted(named)} names a column, and {path} has none (a {unit} is an example)"
            )
        if kind == _PARQUET and encoding not in (None, "utf-8"):
            raise RequestError(f"data.encoding: {quoted(encoding)} is for text, and {path} is Parquet, always in UTF-8")

    def identity() -> str:
        return digest_of(paths, (REVISION, columns, unit, encoding))

    def pairs(path: Path, report: Report, before: int, total: int) -> Iterator[tuple[str, str]]:
        if _kind(path) == _PARQUET:
            places = Places(path, report, before, total)
            return _filled_rows(places, parquet.read_rows(places, columns))
        return _READERS[_kind(path)](Lines(path, report, encoding, before, total), columns, unit)

    def read(report: Report) -> Iterator[Example]:
        total = sum(path.stat().st_size for path in paths) or 1
        before = 0
        for path in paths:
            for text, prompt in pairs(path, report, before, total):
                if is_blank(text):
                    report.drop("empty", f"{path}: an empty row")
                else:
                    report.found = True
                    yield Example(text, prompt)
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


def _text(lines: Lines, columns: Columns, unit: str) -> Iterator[tuple[str, str]]:
    if unit == "line":
        for _, line in lines.good():
            yield line.rstrip("\r\n"), ""
    else:
        for block in _blocks(lines, whole=unit == "file"):
            yield "\n".join(block), ""


def _blocks(lines: Lines, whole: bool) -> Iterator[list[str]]:
    """Runs of lines between blank ones, or all lines as one; those with a line that cannot be read are left out."""
    block: list[str] = []
    good = True
    for number, line in lines:
        text = line.rstrip("\r\n")
        good = lines.is_good(number, line) and good
        if whole or text.strip():
            block.append(text)
            continue
        if block and good:
            yield block
        block, good = [], True
    if block and good:
        yield block


def _table(kind: str) -> Callable[[Lines, Columns, str], Iterator[tuple[str, str]]]:
    return lambda lines, columns, unit: _filled_rows(lines, read_rows(lines, kind, columns))


def _json_lines(lines: Lines, columns: Columns, unit: str) -> Iterator[tuple[str, str]]:
    def rows() -> Iterator[tuple[int, object]]:
        for number, line in lines.good():
            if not line.strip():
                continue
            try:
                yield number, _JSON.decode(line)
            except (ValueError, RecursionError) as error:
                lines.report.bad("broken JSON", f"{lines.where(number)}: broken JSON ({json_fault(error)})")

    return _json_texts(lines, rows(), columns)


def _json_list(lines: Lines, columns: Columns, unit: str) -> Iterator[tuple[str, str]]:
    whole = []
    for number, line in lines:
        if fault := lines.fault(number, line):
            raise RequestError(fault[1])
        whole.append(line)
    try:
        rows = _JSON.decode("".join(whole))
    except json.JSONDecodeError as error:
        raise RequestError(f"{lines.where(error.lineno)}: broken JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{lines.path}: broken JSON ({json_fault(error)})") from None
    if not isinstance(rows, list):
        raise RequestError(f"{lines.path}: a list of rows was expected, as [{{...}}, {{...}}]")
    return _json_texts(lines, iter(enumerate(rows, 1)), columns)


@dataclasses.dataclass(frozen=True)
class _Repeated:
    """What a JSON object is read as that has a key twice: nobody can tell which value is meant."""

    key: str


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Repeated:
    row = dict(pairs)
    if len(row) < len(pairs):
        return _Repeated(next(key for key, count in collections.Counter(key for key, _ in pairs).items() if count > 1))
    return row


class _Number(str):
    """A number with a point or an exponent, as it is written."""


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_float=_Number, parse_constant=_constant)


def _json_texts(lines: Lines, rows: Iterator[tuple[int, object]], columns: Columns) -> Iterator[tuple[str, str]]:
    """The texts of rows; the column that holds them is settled by the first rows together, once for the file."""
    first = list(itertools.islice(rows, _SETTLING))
    settled = columns
    for number, row in itertools.chain(first, rows):
        if isinstance(row, dict) and not settled.text:
            names = dict.fromkeys(name for _, one in first if isinstance(one, dict) for name in one) or row
            text = default_template(names, lines.where(number), columns.choices)
            settled = dataclasses.replace(columns, text=text)
        if isinstance(row, str) and not isinstance(row, _Number) and not (columns.text or columns.prompt):
            if lines.is_text(number, row):
                yield row, ""
        elif isinstance(row, _Repeated):
            lines.report.bad("key given twice", f"{lines.where(number)}: the key {quoted(row.key)} is given twice")
        elif not isinstance(row, dict):
            reason = "a row must be a JSON object with the text in a column"
            lines.report.bad("no JSON object", f"{lines.where(number)}: {reason}")
        elif settled.text and not columns.text and not has(row, settled.text):
            what = f"no column called {quoted(settled.text)}, which other rows have; there is {listed(row)}"
            lines.report.bad("missing column", f"{lines.where(number)}: {what}")
        elif filled := _filled(lines, number, row, settled):
            yield filled


def _filled_rows(
    places: Places, rows: Iterable[tuple[int, Mapping[str, object], Columns]]
) -> Iterator[tuple[str, str]]:
    for number, row, settled in rows:
        if filled := _filled(places, number, row, settled):
            yield filled


def _filled(places: Places, number: int, row: Mapping[str, object], columns: Columns) -> tuple[str, str] | None:
    """Text and prompt of a row; None where it is bad, which is counted."""
    where, reason = places.where(number), "missing column"
    try:
        if not all(name in row for name in columns.fields):
            settle(columns, list(row), where)
        reason = "no text in the column"
        text, prompt = (fill(template, row, where) if template else "" for template in (columns.text, columns.prompt))
    except RequestError as error:
        places.report.bad(reason, str(error))
        return None
    return (text, prompt) if places.is_text(number, text + prompt) else None


_READERS = {".txt": _text, ".csv": _table("CSV"), ".tsv": _table("TSV"), ".jsonl": _json_lines, ".json": _json_list}
_PARQUET = ".parquet"  # no text, and packed in its own way


def _kind(path: Path) -> str:
    """What a file is read as, by its name without .gz."""
    if path.suffix.lower() == _PARQUET:
        return _PARQUET
    name = path.with_suffix("") if path.suffix == ".gz" else path
    if name.suffix.lower() not in _READERS:
        known = f"{', '.join(_READERS)} (and .gz) and {_PARQUET}"
        raise RequestError(f"{path}: a kind of file that kgpt2 does not read; it reads {known}")
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


def is_blank(text: str) -> bool:
    r"""Whether nothing in a text can be seen: white space, and signs of no width.

    Example:
        >>> is_blank("\u200b \u3000"), is_blank(".")
        (True, False)
    """
    return not _VISIBLE.search(text)
