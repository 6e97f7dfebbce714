"""Rows as they are computed together, until all have ended or one has filled the context."""

import dataclasses
from collections.abc import Sequence

from kgpt2.generation.rows import Row


@dataclasses.dataclass(frozen=True)
class Segment:
    """A stretch of growing rows.

    Attributes:
        rows: the rows that grow.
        texts: what is read of them first, token ids. Continuations of one prompt share theirs.
        source: for each row, which of `texts` it goes on from.
        steps: how many tokens may come.
        size: the most rows that any segment of the call has.
    """

    rows: Sequence[Row]
    texts: list[list[int]]
    source: list[int]
    steps: int
    size: int

    @property
    def width(self) -> int:
        """Tokens of the longest text."""
        return max(map(len, self.texts))


def lay_out(rows: Sequence[Row], size: int, context: int) -> Segment:
    """Rows as one segment.

    Args:
        rows: none has ended.
        size: the most rows that a segment of the call has.
        context: of the network, in tokens.
    """
    windows = [window(row, context) for row in rows]
    keys = [id(row) if row.new else id(row.prompt) for row in rows]
    unique = list(dict.fromkeys(keys))
    room = [context - len(window) for window in windows]
    full = [space for space, row in zip(room, rows, strict=True) if row.left > space]
    return Segment(
        rows,
        texts=[windows[keys.index(key)] for key in unique],
        source=[unique.index(key) for key in keys],
        steps=min(full, default=max(row.left for row in rows)),
        size=size,
    )


def window(row: Row, context: int) -> list[int]:
    """What the network reads of a row: all of it, or the end of a text that has outgrown the context."""
    ids = row.prompt.ids + row.new
    start = window_start(len(ids), context)
    front = kept(row, start)
    return ids[:front] + ids[front + start :]


def kept(row: Row, start: int) -> int:
    """How many ids in front of a row are read although its window begins at `start`: those of a tuned prompt.

    A start token alone goes with the beginning.
    """
    return row.prompt.fixed if start and row.prompt.fixed > 1 else 0


def window_start(length: int, context: int) -> int:
    """Where the window of a text begins.

    It depends on the length alone, so that a row's neighbours do not matter. It moves by half a context at a time,
    because each move costs a prefill.

    Example:
        >>> [window_start(length, 8) for length in (7, 8, 11, 12)]
        [0, 4, 4, 8]
    """
    move = context - context // 2
    return 0 if length < context else ((length - context) // move + 1) * move
