"""Sheets that people have filled, read with their key."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kgpt2.data.example import Report
from kgpt2.data.lines import Lines, known_encoding
from kgpt2.data.tables import read_rows
from kgpt2.data.template import Columns
from kgpt2.errors import RequestError, quoted
from kgpt2.evaluation.blind import CODE, DELIMITERS, GIVEN
from kgpt2.files import read_object, require_regular

LOWEST, HIGHEST = 1, 5


@dataclasses.dataclass(frozen=True)
class Rating:
    """What one person said of one text.

    Attributes:
        rater: the sheet that it stands on.
        criterion: the column.
        code: of the text.
        source: who wrote the text.
        item: which of the beginnings it goes on from.
        value: from 1 to 5.
    """

    rater: str
    criterion: str
    code: str
    source: str
    item: int
    value: int


def read_sheets(sheets: Sequence[Path], key: Path, encoding: str | None = None) -> list[Rating]:
    """The ratings of all sheets; empty cells are left out.

    Args:
        sheets: one a rater, .csv or .tsv.
        key: that was written with the sheet that all of them are copies of.
        encoding: of the sheets; None: UTF-8.

    Raises:
        RequestError: a file cannot be read, or holds a rating or a row that cannot be; the line and column are named.
    """
    written = _read_key(key)
    ratings = [rating for sheet in sheets for rating in _read_sheet(sheet, written, key, known_encoding(encoding))]
    if not ratings:
        raise RequestError(f"{', '.join(map(str, sheets))}: nothing has been rated yet")
    return ratings


def _read_key(path: Path) -> dict[str, tuple[str, int]]:
    """Source and item of each code."""
    rows = read_object(path, "key of a sheet").get("rows")
    if not isinstance(rows, dict):
        raise RequestError(f"{path}: not the key of a sheet (no rows)")
    found = {}
    for code, row in rows.items():
        source, item = (row.get("source"), row.get("item")) if isinstance(row, dict) else (None, None)
        if not isinstance(source, str) or type(item) is not int:
            raise RequestError(f"{path}: not the key of a sheet (of {quoted(code)} no source and item are told)")
        found[code] = source, item
    return found


def _read_sheet(
    sheet: Path, written: Mapping[str, tuple[str, int]], key: Path, encoding: str | None
) -> Iterable[Rating]:
    require_regular(sheet, "sheet")
    if sheet.suffix.lower() not in DELIMITERS:
        raise RequestError(f"{sheet}: no sheet; one ends in .csv or .tsv")
    report, seen = Report(), set()
    lines = Lines(sheet, report, encoding)
    for number, row, _ in read_rows(lines, sheet.suffix[1:].upper(), Columns(text=CODE)):
        where, code = lines.where(number), row[CODE].strip()
        if not any(value.strip() for value in row.values()):
            continue
        if code not in written:
            raise RequestError(f"{where}, column {CODE!r}: {quoted(code)} is not in {key}, or that is another sheet's")
        if code in seen:
            raise RequestError(f"{where}, column {CODE!r}: {quoted(code)} has come before")
        seen.add(code)
        for criterion, text in row.items():
            if criterion not in GIVEN and text.strip():
                value = _value(text, f"{where}, column {quoted(criterion)}")
                yield Rating(str(sheet), criterion, code, *written[code], value)
    if report.problems:
        raise RequestError(report.problems[0])


def _value(text: str, where: str) -> int:
    text = text.strip()
    if not (text.isdecimal() and len(text) == 1 and LOWEST <= int(text) <= HIGHEST):
        raise RequestError(f"{where}: {quoted(text)} is no rating; a whole number from {LOWEST} to {HIGHEST} is")
    return int(text)
