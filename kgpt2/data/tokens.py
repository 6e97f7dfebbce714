"""Tokenised examples in two flat arrays, and the ways to split and pack them. No Keras, no TensorFlow."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class TokenTable:
    """Examples of different lengths without padding.

    Attributes:
        ids: int32 `(tokens,)`, the examples one after the other, each with start and end token.
        offsets: int64 `(examples + 1,)`, where each begins; the last is the number of tokens.
        cut: how many examples were longer than they may be and lost their end.
    """

    ids: np.ndarray
    offsets: np.ndarray
    cut: int = 0

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """int64 `(examples,)`, in tokens."""
        return np.diff(self.offsets)


def token_table(
    texts: Sequence[str],
    encode_batch: Callable[[Sequence[str]], list[list[int]]],
    start_id: int,
    end_id: int,
    max_tokens: int | None = None,
) -> TokenTable:
    """Texts as `start + ids + end`, cut after `max_tokens`.

    A text that is cut loses its end token with its end: a model must not learn to stop in the middle of a line.
    """
    rows, cut = [], 0
    for ids in encode_batch(texts):
        row = np.array([start_id, *ids, end_id], dtype=np.int32)
        if max_tokens is not None and len(row) > max_tokens:
            row, cut = row[:max_tokens], cut + 1
        rows.append(row)
    return _table(rows, cut)


def pack(table: TokenTable, max_tokens: int) -> TokenTable:
    """The examples one after the other, cut into rows of `max_tokens`, as GPT-2 was trained.

    Neighbouring rows share one token, so that every token but the first is a target once. The last row may be shorter.
    """
    starts = range(0, max(len(table.ids) - 1, 1), max_tokens - 1)
    return _table([table.ids[start : start + max_tokens] for start in starts], table.cut)


def split_texts(texts: Sequence[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """Training and validation texts, both in their old order; equal texts never lie on both sides.

    Args:
        texts: the examples.
        share: of the different texts, how many go to validation (at least one where there are two or more and the
            share is not 0).
        seed: draws which.
    """
    unique = list(dict.fromkeys(texts))
    count = round(len(unique) * share)
    if share > 0 and len(unique) > 1:
        count = min(max(count, 1), len(unique) - 1)
    drawn = np.random.default_rng(seed).permutation(len(unique))[:count]
    held_out = {unique[index] for index in drawn}
    train = [text for text in texts if text not in held_out]
    return train, [text for text in texts if text in held_out]


def _table(rows: Sequence[np.ndarray], cut: int) -> TokenTable:
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return TokenTable(np.concatenate(rows) if rows else np.zeros(0, np.int32), offsets, cut)
