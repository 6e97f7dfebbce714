"""Plain files as examples: .txt (a line an example), .csv, .tsv, .jsonl."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from kgpt2.errors import RequestError
from kgpt2.files import read_text

# Columns taken when the configuration names none, in this order: ours, that of couplet files, that of reddit_tifu.
DEFAULT_COLUMNS = ("text", "text1", "documents")
_FIELD = re.compile(r"\{(\w+)\}")


def read_file(path: Path, text: str | None = None) -> list[str]:
    """The examples of a file in its order; empty ones are left out.

    Args:
        path: a .txt, .csv, .tsv or .jsonl file, UTF-8.
        text: the column, or a template of columns such as "{title}: {text}"; None: the first of DEFAULT_COLUMNS that
            is there, or the only column.

    Raises:
        RequestError: naming file, line and column.
    """
    if path.is_dir():
        raise RequestError(f"{path}: this is a directory; a data source is a file ({', '.join(_READERS)}) or a name")
    reader = _READERS.get(path.suffix.lower())
    if reader is None and path.exists():
        raise RequestError(f"{path}: a kind of file that kgpt2 does not read; it reads {', '.join(_READERS)}")
    content = read_text(path, "data file")
    if reader is None:
        raise AssertionError("read_text raises for a missing file")
    examples = [example.strip() for example in reader(path, content, text)]
    examples = [example for example in examples if example]
    if not examples:
        raise RequestError(f"{path}: the file holds no text, so there is nothing to learn from")
    return examples


def _lines(path: Path, content: str, text: str | None) -> Iterator[str]:
    if text is not None:
        raise RequestError(f"data.text: {text!r} names a column, and {path} has none (a line is an example)")
    yield from content.split("\n")


def _table(delimiter: str) -> Callable[[Path, str, str | None], Iterator[str]]:
    def read(path: Path, content: str, text: str | None) -> Iterator[str]:
        csv.field_size_limit(2**31 - 1)
        rows = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
        try:
            columns = [name.strip() for name in rows.fieldnames or []]
            rows.fieldnames = columns
            template = _template(path, columns, text)
            for row in rows:
                yield _fill(path, rows.line_num, template, row)
        except csv.Error as error:
            kind, line = path.suffix[1:].upper(), rows.reader.line_num
            raise RequestError(f"{path}, line {line}: not {kind} ({error})") from None

    return read


def _json_lines(path: Path, content: str, text: str | None) -> Iterator[str]:
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            reason = getattr(error, "msg", "nested too deeply")
            raise RequestError(f"{path}, line {number}: broken JSON ({reason})") from None
        if isinstance(row, str) and text is None:
            yield row
        elif isinstance(row, dict):
            yield _fill(path, number, _template(path, list(row), text, f", line {number}"), row)
        else:
            raise RequestError(f"{path}, line {number}: a line must be a JSON object with the text in a column")


_READERS = {".txt": _lines, ".csv": _table(","), ".tsv": _table("\t"), ".jsonl": _json_lines}


def _template(path: Path, columns: list[str], text: str | None, line: str = "") -> str:
    """The template to fill for each row: `text` as it is where it has {fields}, else its column alone."""
    if text is None:
        text = next((name for name in DEFAULT_COLUMNS if name in columns), columns[0] if len(columns) == 1 else None)
        if text is None:
            raise RequestError(
                f"{path}{line}: no column called {' or '.join(DEFAULT_COLUMNS)}; there is {_listed(columns)}\n"
                "say which one holds the text: -o data.text=COLUMN"
            )
    template = text if _FIELD.search(text) else f"{{{text}}}"
    for name in _FIELD.findall(template):
        if name not in columns:
            raise RequestError(f"{path}{line}: there is no column {name!r}; there is {_listed(columns)} (data.text)")
    return template


def _fill(path: Path, line: int, template: str, row: dict) -> str:
    def value(match: re.Match) -> str:
        field = row.get(match[1])
        if field is None:
            return ""
        if not isinstance(field, str | int | float):
            raise RequestError(f"{path}, line {line}: column {match[1]!r} holds no text but a {type(field).__name__}")
        return str(field)

    return _FIELD.sub(value, template)


def _listed(columns: list[str]) -> str:
    shown = ", ".join(repr(name) for name in columns[:8])
    return (shown or "none") + (f" and {len(columns) - 8} more" if len(columns) > 8 else "")
