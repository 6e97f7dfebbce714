"""Rows of many requests that grow together: they join and leave between two steps, each with its own settings."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kgpt2.generation.decoder import Decoder
from kgpt2.generation.processors import NOTHING, Floats
from kgpt2.generation.rows import Row
from kgpt2.generation.runtime import Runtime, pad_left
from kgpt2.generation.segment import kept, window, window_start

# Rows join a batch until its cache has so many places: whoever comes late drags all of them along as padding.
JOINABLE = 64
# Up to so many tokens a row joins by reading one at each step, which costs the others nothing.
SHORT = 32

# The most probable tokens of a place and their log-probabilities, the best first.
Best = list[tuple[int, float]]


@dataclasses.dataclass(eq=False)
class Line:
    """A row on its way through a batch.

    Attributes:
        row: what grows.
        decoder: chooses its tokens; lines that share one are decoded together.
        top: how many of the most probable tokens to note at each place.
        tops: those noted so far.
        start: where the part of the text begins that the network reads.
        read: tokens read since there.
        cancelled: nobody waits for it any more.
    """

    row: Row
    decoder: Decoder
    top: int = 0
    tops: list[Best] = dataclasses.field(default_factory=list)
    start: int = 0
    read: int = 0
    cancelled: bool = False

    def __len__(self) -> int:
        return len(self.row.prompt.ids) + len(self.row.new)

    @property
    def ended(self) -> bool:
        """Whether it takes no more tokens."""
        return self.cancelled or self.row.finish_reason is not None

    def restart(self, context: int) -> list[int]:
        """What the network has to read of it, from the beginning."""
        self.start, self.read = window_start(len(self), context), 0
        return window(self.row, context)

    def has_outgrown(self, context: int) -> bool:
        """Whether the network has to begin again with the end of the text."""
        return window_start(len(self), context) != self.start

    def next_token(self) -> int:
        """The first token that has not been read."""
        prompt = self.row.prompt.ids
        place = self.read + (0 if self.read < kept(self.row, self.start) else self.start)
        self.read += 1
        return prompt[place] if place < len(prompt) else self.row.new[place - len(prompt)]

    @property
    def is_read(self) -> bool:
        """Whether the network has read all there is, so that a token can be chosen."""
        return self.start + self.read == len(self)


class Batch:
    """Lines that are computed together.

    Args:
        runtime: computes the logits.
        lines: the first, one at least; their texts are read at once, and each takes a token.
        size: the most lines that it will have.
    """

    def __init__(self, runtime: Runtime, lines: Sequence[Line], size: int):
        self._runtime, self.lines = runtime, list(lines)
        texts = [line.restart(runtime.context) for line in lines]
        longest = max(map(len, texts))
        logits, self._cache = runtime.prefill(texts, min(longest + _room(lines), runtime.context), size)
        self._filled = longest
        for line, text in zip(lines, texts, strict=True):
            line.read = len(text)
        # Where each line stood in the last call, and where those stood that have left since.
        self._rows = np.arange(len(lines), dtype=np.int32)
        self._left: list[int] = []
        self._choose(logits)

    @property
    def is_open(self) -> bool:
        """Whether lines may join."""
        return self._runtime.joins and self._filled < JOINABLE

    def join(self, line: Line) -> None:
        """Takes a line in, which reads its text token by token."""
        line.restart(self._runtime.context)
        # In the place of one that has left, so that the others keep theirs: the runtime moves no rows then.
        gap = self._left.pop(0) if self._left else len(self._rows)
        place = next((number for number, row in enumerate(self._rows) if row > gap), len(self.lines))
        self.lines.insert(place, line)
        self._rows = np.insert(self._rows, place, np.int32(-1))

    def leave(self) -> list[Line]:
        """Lets go of the lines that have ended or have outgrown the context; returns the latter."""
        outgrown = [line for line in self.lines if not line.ended and line.has_outgrown(self._runtime.context)]
        stays = [not line.ended and line not in outgrown for line in self.lines]
        self.lines = [line for line, stay in zip(self.lines, stays, strict=True) if stay]
        self._left += [row for row, stay in zip(self._rows.tolist(), stays, strict=True) if not stay and row >= 0]
        self._rows = self._rows[stays]
        return outgrown

    def step(self) -> None:
        """Reads a token of each line; those that have read all take another one."""
        tokens = np.array([[line.next_token()] for line in self.lines], np.int32)
        logits, self._cache = self._runtime.step(tokens, self._rows, self._cache)
        self._filled += 1
        self._rows, self._left = np.arange(len(self.lines), dtype=np.int32), []
        self._choose(logits)

    def _choose(self, logits: NDArray[np.float32]) -> None:
        for decoder, places in self._by_decoder():
            lines = [self.lines[place] for place in places]
            texts = [line.row.prompt.ids + line.row.new for line in lines]
            history, _ = pad_left(texts, max(map(len, texts)), NOTHING)
            mine = logits[places]
            before = [len(line.row.new) for line in lines]
            decoder.choose(mine, history, [line.row for line in lines])
            for line, row, count in zip(lines, mine, before, strict=True):
                if line.top and len(line.row.new) > count:
                    line.tops.append(best_tokens(row, line.top))

    def _by_decoder(self) -> Iterator[tuple[Decoder, list[int]]]:
        groups: dict[Decoder, list[int]] = {}
        for place, line in enumerate(self.lines):
            if line.is_read and not line.ended:
                groups.setdefault(line.decoder, []).append(place)
        yield from groups.items()


def best_tokens(logits: Floats, count: int) -> Best:
    """The most probable tokens of one place, logits `(vocabulary,)`, and their log-probabilities.

    Example:
        >>> [token for token, _ in best_tokens(np.array([0.0, 2.0, 1.0]), 2)]
        [1, 2]
    """
    values = logits.astype(np.float64)
    values -= values.max()
    values -= np.log(np.exp(values).sum())
    count = min(count, len(values))
    ids = np.argpartition(-values, count - 1)[:count]
    ids = ids[np.argsort(-values[ids], kind="stable")]
    return [(int(token), float(values[token])) for token in ids]


def _room(lines: Sequence[Line]) -> int:
    return max(line.row.left for line in lines)
