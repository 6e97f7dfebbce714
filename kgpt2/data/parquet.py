"""Parquet files as rows, read as a stream: the columns that are asked for alone, some rows of a row group at a time.

pyarrow reads the format. Source: https://parquet.apache.org/docs/file-format.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from kgpt2.data.lines import Places
from kgpt2.data.template import Columns, settle
from kgpt2.data.unpacked import MAX_LINE, require_line, swells
from kgpt2.errors import RequestError, escaped
from kgpt2.files import open_regular

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_ROWS, _BYTES = 4096, 4 * MAX_LINE  # of a batch at most
_READ = 1 << 20  # bytes of a column that are read at once
# Far more than any description of columns takes.
_LIMITS = {"thrift_string_size_limit": 16 << 20, "thrift_container_size_limit": 1 << 20}

Row = dict[str, object]


def read_rows(places: Places, columns: Columns) -> Iterator[tuple[int, Row, Columns]]:
    """The rows of a Parquet file, numbered from 1, with the columns that were settled for all of them.

    A row with a value that is not UTF-8 is counted as bad.

    Args:
        places: of the file.
        columns: what is asked for.

    Raises:
        RequestError: it is no whole Parquet file, has not what is asked for or has it twice, or unfolds to far more
            than a text does.
    """
    with open_regular(places.path, "data file") as raw, _told(places):
        file = _opened(raw)
        settled = settle(columns, file.schema_arrow.names, str(places.path))
        names = list(dict.fromkeys(settled.fields))
        flat = {file.schema.column(place).path for place in range(len(file.schema))}  # neither a list nor a struct
        folded = _opened(raw, read_dictionary=[name for name in names if name in flat])
        number, rows = 0, file.metadata.num_rows
        for batch in _batches(file, folded, names, places):
            for values in zip(*(_values(batch.column(name)) for name in names), strict=True):
                number += 1
                if _is_good(places, number, values):
                    yield number, dict(zip(names, values, strict=True)), settled
            places.passed(min(1, number / max(rows, 1)))
        if number != rows:
            raise RequestError(f"{places.path}: not a whole Parquet file (it has {number:,} rows of {rows:,})")


def _opened(raw: BinaryIO, **options: Any) -> "pq.ParquetFile":
    import pyarrow.parquet as pq

    # Buffered, a column is read page by page, and not a row group at once, which may be the whole file.
    return pq.ParquetFile(raw, buffer_size=_READ, pre_buffer=False, **_LIMITS, **options)


def _batches(
    file: "pq.ParquetFile", folded: "pq.ParquetFile", names: Sequence[str], places: Places
) -> Iterator["pa.RecordBatch"]:
    """Batches of bearable size.

    Args:
        file: the file.
        folded: the same, with each text that it keeps once left so.
        names: the columns to read.
        places: of the file.
    """
    for index in range(file.num_row_groups):
        # pyarrow ends the process where a damaged file is asked for more: the sizes of columns, for instance.
        group = file.metadata.row_group(index)
        if swells(group.total_byte_size, places.path.stat().st_size):
            raise RequestError(
                f"{places.path}: refused, {group.total_byte_size:,} bytes of a row group are packed into it\n"
                "if it is good text all the same, write it as .jsonl or without compression"
            )
        if group.num_rows > 0:
            largest = max(group.total_byte_size // group.num_rows, _longest(folded, index, names), 1)
            yield from file.iter_batches(min(_ROWS, max(1, _BYTES // largest)), [index], names, use_threads=False)


def _longest(folded: "pq.ParquetFile", index: int, names: Sequence[str]) -> int:
    """Bytes of the longest text that a row group keeps once, for any number of rows."""
    import pyarrow.compute as pc
    import pyarrow.types as types

    first = next(folded.iter_batches(1, [index], names, use_threads=False), None)
    columns = [] if first is None else first.columns
    kept = [column.dictionary for column in columns if types.is_dictionary(column.type)]
    sizes = [pc.max(pc.binary_length(texts)).as_py() for texts in kept if types.is_string(texts.type)]
    return max((size or 0 for size in sizes), default=0)


def _values(column: "pa.Array") -> Sequence[object]:
    """The values of a column; the error in the place of each that is not UTF-8."""
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_value(column, place) for place in range(len(column))]


def _value(column: "pa.Array", place: int) -> object:
    try:
        return column[place].as_py()
    except UnicodeDecodeError as error:
        return error


def _is_good(places: Places, number: int, values: Sequence[object]) -> bool:
    """Whether the values of a row can be read; where not, it is counted as bad."""
    for value in values:
        if isinstance(value, UnicodeDecodeError):
            byte = value.object[value.start]
            places.report.bad("not UTF-8", f"{places.where(number)}: not UTF-8 (a byte is 0x{byte:02x})")
            return False
        if isinstance(value, str):
            require_line(value, places.where(number))
    return True


@contextlib.contextmanager
def _told(places: Places) -> Iterator[None]:
    """Errors in one line: pyarrow's own, and those of Python that it meets in damaged names."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise RequestError(f"{places.path}: not a whole Parquet file ({escaped(reason, 200)})") from None
