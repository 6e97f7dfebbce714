"""Batches for a causal language model, planned ahead: which rows, how wide, how many targets."""

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgpt2.data.permutation import permuted
from kgpt2.data.tokens import Rows

# No more than this many widths: XLA compiles each width anew.
WIDTHS = 8


@dataclasses.dataclass(frozen=True)
class Batch:
    """Inputs and targets of one step, each `(rows, width)`.

    Attributes:
        token_ids: int32, the tokens that the model reads.
        padding_mask: int32, 1 where `token_ids` is a token.
        targets: int32, the token after each.
        target_mask: float32, 1 where the target counts.
    """

    token_ids: NDArray[np.int32]
    padding_mask: NDArray[np.int32]
    targets: NDArray[np.int32]
    target_mask: NDArray[np.float32]

    def as_keras(self) -> tuple[dict[str, NDArray[np.int32]], NDArray[np.int32], NDArray[np.float32]]:
        """`(x, y, sample_weight)` as `keras.Model.fit` takes it."""
        return {"token_ids": self.token_ids, "padding_mask": self.padding_mask}, self.targets, self.target_mask


class Size(NamedTuple):
    """Of a batch: targets that count, tokens that are read, positions (padding included), and their number in a row."""

    targets: int
    read: int
    positions: int
    width: int


class Batches:
    """The batches of some rows, the same ones in the same order for the same seed, on every backend.

    A batch is computed from its number alone, so training can go on from any step, and memory does not grow with the
    epochs.

    Args:
        rows: none longer than `sequence_length + 1` tokens.
        batch_size: rows in each batch (no more than there are). The last batch is filled with rows that are padding
            alone, so that batches of one width have one shape.
        sequence_length: the widest input, in tokens.
        pad_id: fills `token_ids` and `targets` where their masks are 0.
        pad_to_longest: True (`bucket`): rows of like length share a batch, in at most `WIDTHS` widths, chosen so that
            the padding is least; False (`pad`): every batch is `sequence_length` wide.
        batch_tokens: positions in a batch, padding included, instead of `batch_size`: narrow batches get more rows.
        shuffle_seed: draws each epoch's order; None keeps one order, the longest first.

    Example:
        >>> from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS, BertTokenizer
        >>> from kgpt2.data.example import Example
        >>> from kgpt2.data.tokens import Selected, encode
        >>> table = encode([Example("春风"), Example("风")], BertTokenizer([*SPECIAL_TOKENS, *"春风"]))
        >>> rows = Selected(table, np.array([True, True]))
        >>> batches = Batches(rows, batch_size=2, sequence_length=3, pad_id=0, pad_to_longest=False)
        >>> batches.at(0).targets.tolist()
        [[5, 6, 3], [6, 3, 0]]
    """

    def __init__(
        self,
        rows: Rows,
        *,
        batch_size: int,
        sequence_length: int,
        pad_id: int,
        pad_to_longest: bool = True,
        batch_tokens: int | None = None,
        shuffle_seed: int | None = None,
    ):
        self.rows, self.pad_id, self.shuffle_seed = rows, pad_id, shuffle_seed
        inputs = rows.lengths - 1
        self.widths = best_widths(np.bincount(inputs)) if pad_to_longest else np.array([sequence_length])
        # The widest first: then a batch that reaches into the next class is as wide as its first row.
        by_length = len(self.widths) - 1 - np.searchsorted(self.widths, np.arange(inputs.max() + 1))
        classes = by_length.astype(np.uint8)[inputs]
        self.widths = self.widths[::-1]
        self._order = np.argsort(classes, kind="stable").astype(np.uint32)
        self._classes = np.concatenate([[0], np.cumsum(np.bincount(classes, minlength=len(self.widths)))])
        sizes = np.maximum(batch_tokens // self.widths, 1) if batch_tokens else np.full(len(self.widths), batch_size)
        self._sizes = np.minimum(sizes, len(rows))
        self._starts = self._cut()
        self._shuffled: tuple[int, NDArray[np.int64]] = (-1, self._starts)

    @property
    def per_epoch(self) -> int:
        """How many batches an epoch has."""
        return len(self._starts) - 1

    @property
    def shapes(self) -> set[tuple[int, int]]:
        """The shapes that batches have."""
        classes = np.unique(self._class_of(self._starts[:-1]))
        return {(int(self._sizes[one]), int(self.widths[one])) for one in classes}

    @property
    def fingerprint(self) -> str:
        """A digest of rows, shapes and order: a saved position means the same batch where this is the same."""
        digest = hashlib.blake2b(repr((len(self.rows), self.pad_id, self.shuffle_seed)).encode(), digest_size=16)
        for array in (self.rows.lengths, self._order, self._starts, self.widths):
            digest.update(np.ascontiguousarray(array).data)
        some = np.arange(0, len(self.rows), max(1, len(self.rows) // 1000))
        digest.update(self.rows.block(some, int(self.rows.lengths[some].max()))[0].tobytes())
        return digest.hexdigest()

    def at(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs."""
        batch, rows = self._members(step)
        height, width = self._shape(batch)
        tokens, learned = self.rows.block(rows, width + 1)
        filled = np.zeros((height, width + 1), bool)
        filled[: len(rows)] = np.arange(width + 1) < self.rows.lengths[rows][:, None]
        padded = np.full((height, width + 1), self.pad_id, np.int32)
        padded[filled] = tokens[filled[: len(rows)]]
        counted = np.zeros((height, width), np.float32)
        counted[: len(rows)] = learned[:, 1:]
        # A token that has none after it is a target, not an input.
        inputs = filled[:, 1:]
        return Batch(np.where(inputs, padded[:, :-1], self.pad_id), inputs.astype(np.int32), padded[:, 1:], counted)

    def take(self, count: int, start: int = 0) -> Iterator[Batch]:
        """`count` batches from a step on, epoch after epoch."""
        return map(self.at, range(start, start + count))

    def size(self, step: int) -> Size:
        """The size of the batch of a step, without its tokens being put together."""
        batch, rows = self._members(step)
        height, width = self._shape(batch)
        learned = self.rows.block(rows, width + 1)[1]
        return Size(int(learned.sum()), int(self.rows.lengths[rows].sum()) - len(rows), height * width, width)

    def _members(self, step: int) -> tuple[int, NDArray[np.uint32]]:
        """Which batch of the plan a step is, and its rows."""
        epoch, number = divmod(step, self.per_epoch)
        seed = self.shuffle_seed
        batch = number if seed is None else int(self._batch_order(seed, epoch)[number])
        places = np.arange(self._starts[batch], self._starts[batch + 1])
        if seed is not None:
            first_class, last_class = self._class_of(places[[0, -1]])
            for one in range(first_class, last_class + 1):
                first, stop = self._classes[one : one + 2]
                inside = (places >= first) & (places < stop)
                places[inside] = first + permuted(places[inside] - first, int(stop - first), (seed, epoch, 1 + one))
        return batch, self._order[places]

    def _batch_order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        if self._shuffled[0] != epoch:
            self._shuffled = epoch, np.random.default_rng((seed, epoch)).permutation(self.per_epoch)
        return self._shuffled[1]

    def _shape(self, batch: int) -> tuple[int, int]:
        one = int(self._class_of(self._starts[batch]))
        return int(self._sizes[one]), int(self.widths[one])

    def _class_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self._classes, places, side="right") - 1

    def _cut(self) -> NDArray[np.int64]:
        """Where each batch begins in the order of lengths, and the end."""
        starts, place = [], 0
        for one, size in enumerate(self._sizes):
            here = np.arange(place, max(self._classes[one + 1], place), size)
            if len(here):
                starts.append(here)
                place = int(here[-1] + size)
        return np.append(np.concatenate(starts), len(self.rows))


def best_widths(counts: NDArray[np.integer], most: int = WIDTHS) -> NDArray[np.int64]:
    """The widths, ascending and at most `most`, that need the least padding.

    Args:
        counts: int `(longest + 1,)`, how many rows there are of each length.
        most: of widths.

    Example:
        >>> best_widths(np.bincount([3, 3, 9, 10]), most=2).tolist()
        [3, 10]
    """
    lengths = np.flatnonzero(counts)
    rows = np.concatenate([[0], np.cumsum(counts[lengths])])
    # least[j]: positions of the first j lengths in the widths so far; the last of them is always a width.
    least = rows[1:] * lengths
    choices = []
    for _ in range(min(most, len(lengths)) - 1):
        # Rows longer than the i-th length and no longer than the j-th, in the j-th's width.
        further = (rows[None, 1:] - rows[1:, None]) * lengths[None]
        total = np.where(np.tri(len(lengths), k=0, dtype=bool), np.iinfo(np.int64).max, least[:, None] + further)
        best = total.argmin(axis=0)
        improved = total[best, np.arange(len(lengths))] < least
        choices.append(np.where(improved, best, -1))
        least = np.where(improved, total[best, np.arange(len(lengths))], least)
    last = len(lengths) - 1
    widths = [lengths[last]]
    for choice in reversed(choices):
        if choice[last] >= 0:
            last = choice[last]
            widths.append(lengths[last])
    return np.array(widths[::-1])
