"""What the engine needs of whatever computes logits: token ids in, logits out, and a cache it does not look into."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from kgpt2.generation.keras.loop import CompiledLoop

# Where shapes are compiled they are rounded up to these, so that other prompts meet programs that exist already.
PREFILL_STEP, CAPACITY_STEP = 16, 64


class Runtime(Protocol):
    """A network ready to generate. It knows nothing of text or of sampling.

    Caches are apart from each other: any number of readers, in any threads, may take turns between their calls.

    Attributes:
        context: how many positions it has.
        vocabulary_size: how many logits a position has.
        static_shapes: whether each shape has to be compiled, so that few of them are better than small ones.
        row_multiple: the number of rows must be a multiple of it.
        compilations: how many programs it has compiled so far.
        compile_seconds: what those took that this thread has asked for.
        loop: runs many steps in one call; None where the host takes each.
    """

    context: int
    vocabulary_size: int
    static_shapes: bool
    row_multiple: int
    compilations: int
    compile_seconds: float
    loop: "CompiledLoop | None"

    def prefill(self, token_ids: np.ndarray, pads: np.ndarray, capacity: int) -> tuple[np.ndarray, Any]:
        """Reads prompts.

        Args:
            token_ids: int32 `(rows, width)`, prompts padded on the left.
            pads: int32 `(rows,)`, how many places of each row are padding. Nothing looks at them.
            capacity: places that the cache must have room for, `width` or more.

        Returns:
            Logits of the last place, float32 `(rows, vocabulary)`, and the cache.
        """

    def step(self, token_ids: np.ndarray, rows: np.ndarray, cache: Any) -> tuple[np.ndarray, Any]:
        """Reads one token a row.

        Args:
            token_ids: int32 `(rows,)`.
            rows: int32 `(rows,)`, the row of the last call that each row goes on from: rows may be left out, doubled
                or reordered.
            cache: of the last call; it is spent.

        Returns:
            As `prefill`.
        """

    def logits(self, token_ids: np.ndarray, pads: np.ndarray) -> np.ndarray:
        """The logits of every place, float32 `(rows, width, vocabulary)`; arguments as those of `prefill`.

        Those of padding mean nothing.
        """


def pad_left(rows: Sequence[Sequence[int]], width: int, pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids as `Runtime.prefill` wants them, int32 `(rows, width)`, and the padding of each row."""
    token_ids = np.full((len(rows), width), pad_id, dtype=np.int32)
    pads = np.array([width - len(row) for row in rows], dtype=np.int32)
    for padded, pad, row in zip(token_ids, pads, rows, strict=True):
        padded[pad:] = row
    return token_ids, pads


def round_up(value: int, step: int) -> int:
    """The least multiple of a step that is not below a value."""
    return int(-(-value // step) * step)
