"""CSV and TSV: which character separates columns, what the header says, and each record as a row."""

import collections
import contextlib
import csv
import dataclasses
import itertools
import re
import statistics
from collections.abc import Iterator, Sequence

from kgpt2.data.lines import Lines
from kgpt2.data.template import Columns, settle
from kgpt2.errors import RequestError, quoted
from kgpt2.verse.han import HAN

_DELIMITERS = {"CSV": ",;\t|", "TSV": "\t,;|"}  # the usual one first
_EXCEL_HINT = re.compile(r"sep=(.)[\r\n]*")
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,39}", re.ASCII)
_SHORT_NAME = re.compile(f"[{HAN}]{{1,4}}")
_SAMPLE = 50  # records that tell what separates columns
# What the csv module says of a record, in words that help whoever has the file.
_IN_WORDS = {
    "unexpected end of data": "a quote that opens here is not closed",
    "new-line character seen in unquoted field": "a carriage return in the middle of a line",
}
_LONGEST = 1 << 24  # characters of a record; a quote that is open for longer was never meant to open
csv.field_size_limit(2**31 - 1)

Row = dict[str, str]


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes:
        delimiter: what stands between two columns.
        spaced: whether a space follows it, which belongs to no column.
        first: the line of the header, or an earlier empty one; above it stands a hint for Excel at most.
    """

    delimiter: str
    spaced: bool = False
    first: int = 1


def read_rows(lines: Lines, kind: str, columns: Columns) -> Iterator[tuple[int, Row, Columns]]:
    """The rows of a table, each with the line that it begins in and the columns that were settled for all of them.

    Args:
        lines: of the file.
        kind: "CSV" or "TSV", which says what separates columns where the header leaves it open.
        columns: what is asked for.

    Raises:
        RequestError: the header has not what is asked for, or has it twice; or it is a text and no header.
    """
    dialect = dialect_of(lines.head, kind, columns)
    names: list[str] = []
    for number, values in _records(lines, dialect):
        if isinstance(values, csv.Error):
            lines.report.bad(f"not {kind}", f"{lines.where(number)}: not {kind} ({values})")
        elif not names:
            names = _header(lines, number, values)
            columns = _settled(lines, number, names, columns, dialect)
        elif fault := lines.fault(number, "".join(values)):
            lines.report.bad(*fault)
        elif len(values) > len(names):
            many = f"{len(values)} fields, the header has {len(names)}"
            quotes = f"(a field with a {quoted(dialect.delimiter)} needs quotes)"
            lines.report.bad("too many fields", f"{lines.where(number)}: {many} {quotes}")
        else:
            yield number, dict(zip(names, values, strict=False)), columns


def dialect_of(head: Sequence[str], kind: str, columns: Columns) -> Dialect:
    r"""The dialect of a table, by its first lines: the one in which the header has the columns that are asked for.

    Where none has, it is the usual one, unless that leaves a single column where another divides every record.

    Example:
        >>> dialect_of(["text;author\n", "春;李白\n"], "CSV", Columns(text="text"))
        Dialect(delimiter=';', spaced=False, first=1)
    """
    hint = _EXCEL_HINT.fullmatch(head[0]) if head else None
    if hint:
        return dataclasses.replace(_with_spaces(hint[1], head[1:]), first=2)
    usual, *others = (_with_spaces(delimiter, head) for delimiter in _DELIMITERS[kind])
    headers = {dialect: _header_of(head, dialect) for dialect in (usual, *others)}
    for dialect, header in headers.items():
        if columns.found_in(header) and (dialect is usual or len(header) > 1):
            return dialect
    dividing = [dialect for dialect in others if _divides(_sample(head, dialect))]
    return dividing[0] if dividing and len(headers[usual]) == 1 else usual


def _header_of(head: Sequence[str], dialect: Dialect) -> list[str]:
    return [name.strip() for name in next(iter(_sample(head, dialect)), [])]


def _with_spaces(delimiter: str, head: Sequence[str]) -> Dialect:
    header = next(iter(_sample(head, Dialect(delimiter))), [])
    return Dialect(delimiter, len(header) > 1 and all(name.startswith(" ") for name in header[1:]))


def _sample(head: Sequence[str], dialect: Dialect) -> list[list[str]]:
    """The first records, without those that are empty."""
    rows = csv.reader(head, delimiter=dialect.delimiter, skipinitialspace=dialect.spaced)
    found: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        found.extend(itertools.islice(filter(None, rows), _SAMPLE))
    return found


def _divides(records: Sequence[Sequence[str]]) -> bool:
    """Whether a delimiter makes several columns, the same number in every record."""
    widths = {len(record) for record in records}
    return len(widths) == 1 and widths != {1}


def _records(lines: Lines, dialect: Dialect) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Records or errors, each with the line that it begins in.

    After an error reading goes on in the line behind the one in which the record began, so that a quote which nothing
    closes swallows no rows.
    """
    feed = _Feed(lines, dialect.first)
    rows = csv.reader(feed, delimiter=dialect.delimiter, skipinitialspace=dialect.spaced, strict=True)
    while True:
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield feed.taken[0][0], csv.Error(_IN_WORDS.get(str(error).partition(" - ")[0], str(error)))
            feed.give_back()
            rows = csv.reader(feed, delimiter=dialect.delimiter, skipinitialspace=dialect.spaced, strict=True)
            continue
        number = feed.taken[0][0]
        if _swallows(values, [line for _, line in feed.taken[1:]], dialect.delimiter):
            yield number, csv.Error("a quote that opens here swallows the rows behind it")
            feed.give_back()
            continue
        feed.forget()
        if values:
            yield number, values


def _swallows(values: Sequence[str], others: Sequence[str], delimiter: str) -> bool:
    """Whether the lines that a numbered record goes on in are all numbered rows of as many columns themselves."""
    if not others or len(values) < 2 or not values[0].isdecimal():
        return False
    fields = [line.split(delimiter) for line in others]
    return all(len(row) == len(values) and row[0].isdecimal() for row in fields)


class _Feed:
    """The lines of a file, those of the record that is being read kept.

    Attributes:
        taken: lines of the record, numbered.
    """

    def __init__(self, lines: Lines, first: int):
        self._lines = (line for line in lines if line[0] >= first)
        self._again: collections.deque[tuple[int, str]] = collections.deque()
        self.taken: list[tuple[int, str]] = []
        self._characters = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        if self._characters > _LONGEST:
            raise csv.Error(f"a quote is not closed within {_LONGEST:,} characters")
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        self._characters += len(line[1])
        return line[1]

    def forget(self) -> None:
        """A record is complete."""
        self.taken.clear()
        self._characters = 0

    def give_back(self) -> None:
        """A record is none: all of its lines but the first will come again."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.forget()


def _header(lines: Lines, number: int, values: Sequence[str]) -> list[str]:
    if fault := lines.fault(number, "".join(values)):
        raise RequestError(fault[1])
    return [value.strip() for value in values]


def _settled(lines: Lines, number: int, names: Sequence[str], columns: Columns, dialect: Dialect) -> Columns:
    """The columns to take, where the header has each of them once."""
    where = lines.where(number)
    if len(names) == 1 and not columns.found_in(names):
        rows = [row[0] for row in _sample(lines.head[dialect.first - 1 :], dialect)[1:]]
        if not columns.text and not _is_name(names[0], rows):
            raise RequestError(
                f"{where}: {quoted(names[0], 20)} looks like a text, where the name of the column belongs\n"
                "put a line with the name 'text' above it; or, if this is the name: --text NAME (data.text)"
            )
        if not columns.text:
            lines.report.cleaned["the first line taken as the column's name"] += 1
    return settle(columns, names, where)


def _is_name(header: str, rows: Sequence[str]) -> bool:
    """Whether the first line of a single column names it: a Latin word, or a Chinese one among longer texts."""
    if not _SHORT_NAME.fullmatch(header):
        return _NAME.fullmatch(header) is not None
    return bool(rows) and statistics.median(map(len, rows)) > 2 * len(header)
