"""The posts of reddit_tifu as rows, from the JSON lines that the dataset is published in or from like ones."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kgpt2.data.example import Report
from kgpt2.data.template import listed
from kgpt2.data.unpacked import BROKEN_GZIP, MAX_LINE, require_line, unpacked
from kgpt2.errors import RequestError, quoted
from kgpt2.files import open_regular

TEXTS = ("documents", "title", "tldr", "id")
NUMBERS = ("ups", "num_comments", "score", "upvote_ratio")
COLUMNS = TEXTS + NUMBERS
# Each part keeps the posts that have the summary it is about.
PARTS = {"short": "title", "long": "tldr"}

# The published file has a `title` too, the one that still begins with "TIFU by".
_PUBLISHED = {"documents": "selftext_without_tldr", "title": "trimmed_title"}
_REQUIRED = ("documents", "title")

Post = dict[str, str | int | float | None]


class _BadRow(Exception):
    """A row that cannot be used: the reason it is counted under, and what exactly is wrong with it."""


def read_posts(path: Path, part: str, report: Report) -> Iterator[tuple[int, Post]]:
    """The posts of a part with their line numbers, from 1 on, one at a time.

    Args:
        path: JSON lines, gzipped or not, with the published columns (selftext_without_tldr, trimmed_title) or ours.
        part: "short" or "long".
        report: is told of the rows left out.

    Yields:
        Line and row. A row has all COLUMNS: texts are stripped and "" where there is none, numbers None.

    Raises:
        RequestError: the file cannot be read, or its gzip ends early.
    """
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            row = _tidy(_parse(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line))
        except _BadRow as error:
            reason, detail = error.args
            report.bad(reason, f"{path}, line {number}: {detail}")
            continue
        if belongs(row, part, report):
            yield number, row


def belongs(row: Post, part: str, report: Report) -> bool:
    """Whether a part has this row; where not, the report counts it. These rows are in order, so none is told as bad.

    Example:
        >>> report = Report()
        >>> belongs({"documents": "today", "title": ""}, "short", report), report.dropped
        (False, Counter({'no title': 1}))
    """
    for column in ("documents", PARTS[part]):
        if not row.get(column):
            report.dropped[f"no {column}"] += 1
            return False
    return True


def plain_number(value: float) -> int | float:
    """A number as it was written: 50, where JSON or TFDS made 50.0 of it.

    Example:
        >>> plain_number(50.0), plain_number(0.77)
        (50, 0.77)
    """
    return int(value) if value.is_integer() else value


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with open_regular(path, "data file") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with unpacked(path, packed) as (_, opened):
            for number, line in enumerate(iter(lambda: opened.readline(MAX_LINE + 1), b""), 1):
                require_line(line, f"{path}, line {number}")
                yield number, line
    except BROKEN_GZIP:
        raise RequestError(
            f"{path}, line {number + 1}: the gzip file ends early or is damaged; fetch it again"
        ) from None


def _parse(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _BadRow("not UTF-8", f"not UTF-8 (byte {error.start} of the line is 0x{line[error.start]:02x})") from None
    except (ValueError, RecursionError) as error:
        raise _BadRow("broken JSON", f"broken JSON ({getattr(error, 'msg', type(error).__name__)})") from None
    if not isinstance(row, dict):
        raise _BadRow("no JSON object", f"a post is a JSON object, this is a {type(row).__name__}")
    return row


def _tidy(row: dict[str, Any]) -> Post:
    names = _PUBLISHED if _PUBLISHED["documents"] in row else {}
    for column in _REQUIRED:
        if names.get(column, column) not in row:
            missing = names.get(column, column)
            raise _BadRow("missing column", f"there is no column {quoted(missing)}; there is {listed(row)}")
    texts = {column: _text(row, names.get(column, column)) for column in TEXTS}
    return texts | {column: _number(row, column) for column in NUMBERS}


def _text(row: dict[str, Any], column: str) -> str:
    value = row.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _BadRow("wrong type", f"column {quoted(column)} holds no text but a {type(value).__name__}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _BadRow("not UTF-8", f"column {quoted(column)} holds half of a surrogate pair") from None
    if "\0" in value:
        raise _BadRow("NUL character", f"column {quoted(column)} holds a NUL character, which no text does")
    return value.strip()


def _number(row: dict[str, Any], column: str) -> int | float | None:
    value = row.get(column)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _BadRow("wrong type", f"column {quoted(column)} holds no number but a {type(value).__name__}")
    try:
        return plain_number(float(value))
    except OverflowError:
        raise _BadRow("wrong type", f"column {quoted(column)} holds a number that is too large") from None
