"""What the engine needs of whatever computes logits: token ids in, logits out, and a cache it does not look into."""

from typing import Any, Protocol

import numpy as np


class Runtime(Protocol):
    """A network ready to generate.

    Attributes:
        context: how many positions it has.
        vocabulary_size: how many logits a position has.
        compilations: how many programs it has compiled so far.
    """

    context: int
    vocabulary_size: int
    compilations: int

    def prefill(self, token_ids: np.ndarray, length: int, capacity: int) -> tuple[np.ndarray, Any]:
        """Reads prompts.

        Args:
            token_ids: int32 `(rows, width)`, prompts padded on the right.
            length: the logits after this many tokens are wanted (the same for all rows).
            capacity: positions that the cache must have room for, `width` or more.

        Returns:
            Logits, float32 `(rows, vocabulary)`, and the cache. What padding left in the cache is overwritten by
            `step` before any token looks at it.
        """

    def step(self, token_ids: np.ndarray, position: int, cache: Any) -> tuple[np.ndarray, Any]:
        """Reads one token a row, int32 `(rows,)`, at a position; returns as `prefill`. The old cache is spent."""
