"""What decoding needs of whatever computes logits: token ids in, logits out, and a cache that nobody looks into."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Runtime(Protocol):
    """A network ready to generate. It knows nothing of text or of sampling.

    Caches are apart from each other: any number of readers, in any threads, may take turns between their calls. A
    runtime that compiles for shapes rounds them up itself.
    """

    @property
    def context(self) -> int:
        """How many positions the network has."""

    @property
    def vocabulary_size(self) -> int:
        """How many logits a position has."""

    @property
    def compilations(self) -> int:
        """How many programs have been compiled so far."""

    @property
    def compile_seconds(self) -> float:
        """What those took that this thread has asked for."""

    @property
    def loop(self) -> Callable[..., Iterator[None]] | None:
        """Grows a `Segment` by many tokens in one call, as `loop.grow` does; None where the host takes each step."""

    @property
    def joins(self) -> bool:
        """Whether a step takes rows that begin with it."""

    def prefill(self, prompts: Sequence[Sequence[int]], capacity: int, rows: int) -> tuple[NDArray[np.float32], Any]:
        """Reads prompts.

        Args:
            prompts: token ids, at least one in each.
            capacity: tokens that the longest may grow to.
            rows: the most rows that a later step may have.

        Returns:
            Logits of the last token of each prompt, float32 `(prompts, vocabulary)`, and the cache.
        """

    def step(
        self, token_ids: NDArray[np.int32], rows: NDArray[np.int32], cache: Any
    ) -> tuple[NDArray[np.float32], Any]:
        """Reads tokens of each row: one, or several that are known.

        Args:
            token_ids: int32 `(rows, count)`.
            rows: int32 `(rows,)`, the row of the last call that each row goes on from: rows may be left out, doubled
                or reordered; -1: a row that begins with these tokens, where the runtime `joins`.
            cache: of the last call; it is spent.

        Returns:
            Logits of the last token of each row, float32 `(rows, vocabulary)`, and the cache.
        """

    def logits(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """The logits of every token of texts, float32 `(texts, width, vocabulary)`.

        What stands behind the end of a text that is shorter than the longest means nothing.
        """


def pad_left(rows: Sequence[Sequence[int]], width: int, pad_id: int = 0) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Token ids, int32 `(rows, width)`, that all end at the same place, and the padding of each row, int32 `(rows,)`.

    Example:
        >>> pad_left([[1, 2], [3]], 2)[0].tolist()
        [[1, 2], [0, 3]]
    """
    token_ids = np.full((len(rows), width), pad_id, dtype=np.int32)
    pads = np.array([width - len(row) for row in rows], dtype=np.int32)
    for padded, pad, row in zip(token_ids, pads, rows, strict=True):
        padded[pad:] = row
    return token_ids, pads


def pad_right(rows: Sequence[Sequence[int]], width: int) -> NDArray[np.int32]:
    """Token ids, int32 `(rows, width)`, that all begin at the same place.

    Example:
        >>> pad_right([[1, 2], [3]], 2).tolist()
        [[1, 2], [3, 0]]
    """
    token_ids = np.zeros((len(rows), width), dtype=np.int32)
    for padded, row in zip(token_ids, rows, strict=True):
        padded[: len(row)] = row
    return token_ids
