"""Batches for a causal language model, planned ahead: which rows, how wide, how many targets."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from kgpt2.data.tokens import TokenTable

# With `bucket` this many batches at a time are sorted by length: rows still meet different rows in every epoch.
SORTED_BATCHES = 64
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

    token_ids: np.ndarray
    padding_mask: np.ndarray
    targets: np.ndarray
    target_mask: np.ndarray

    def as_keras(self) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """`(x, y, sample_weight)` as `keras.Model.fit` takes it."""
        return {"token_ids": self.token_ids, "padding_mask": self.padding_mask}, self.targets, self.target_mask


class Batches:
    """The batches of a token table, the same ones in the same order for the same seed, on every backend.

    Args:
        table: the examples; longer ones than `sequence_length + 1` tokens must have been cut or packed.
        batch_size: rows in each batch (no more than there are examples). The last batch of an epoch is filled with
            rows that are padding alone, so that every batch has the same number of rows.
        sequence_length: the widest input, in tokens.
        pad_id: fills `token_ids` and `targets` where their masks are 0.
        pad_to_longest: True (`bucket`): rows of like length share a batch that is as wide as its longest row, rounded
            up; False (`pad`): every batch is `sequence_length` wide.
        shuffle_seed: draws each epoch's order; None keeps the table's order (rows of like length still meet).
    """

    def __init__(
        self,
        table: TokenTable,
        *,
        batch_size: int,
        sequence_length: int,
        pad_id: int,
        pad_to_longest: bool = True,
        shuffle_seed: int | None = None,
    ):
        self.table, self.batch_size, self.sequence_length = table, min(batch_size, len(table)), sequence_length
        self.pad_id, self.pad_to_longest, self.shuffle_seed = pad_id, pad_to_longest, shuffle_seed
        self._inputs = table.lengths - 1
        self._planned: tuple[int, list[np.ndarray]] = (-1, [])
        self._step = max(1, math.ceil(sequence_length / WIDTHS))

    @property
    def per_epoch(self) -> int:
        """How many batches an epoch has."""
        return math.ceil(len(self.table) / self.batch_size)

    def at(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs."""
        epoch, number = divmod(step, self.per_epoch)
        return self._batch(self.rows(epoch)[number])

    def take(self, count: int) -> Iterator[Batch]:
        """The first `count` batches, epoch after epoch."""
        return map(self.at, range(count))

    def rows(self, epoch: int) -> list[np.ndarray]:
        """The rows of each batch of an epoch, as indices into the table."""
        if self._planned[0] != epoch:
            self._planned = epoch, self._plan(epoch)
        return self._planned[1]

    def _plan(self, epoch: int) -> list[np.ndarray]:
        rng = None if self.shuffle_seed is None else np.random.default_rng([self.shuffle_seed, epoch])
        order = np.arange(len(self.table)) if rng is None else rng.permutation(len(self.table))
        if self.pad_to_longest:
            window = SORTED_BATCHES * self.batch_size
            spans = [order[start : start + window] for start in range(0, len(order), window)]
            order = np.concatenate([span[np.argsort(self._inputs[span], kind="stable")] for span in spans])
        rows = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        if rng is not None:
            rows = [rows[index] for index in rng.permutation(len(rows))]
        return rows

    def sizes(self, epoch: int) -> Iterator[tuple[int, int]]:
        """For each batch of an epoch, how many targets count and how many positions it has, padding included."""
        for rows in self._plan(epoch):
            yield int(self._inputs[rows].sum()), self.batch_size * self._width(rows)

    def _width(self, rows: np.ndarray) -> int:
        if not self.pad_to_longest:
            return self.sequence_length
        longest = int(self._inputs[rows].max())
        return min(math.ceil(longest / self._step) * self._step, self.sequence_length)

    def _batch(self, rows: np.ndarray) -> Batch:
        shape = (self.batch_size, self._width(rows))
        token_ids = np.full(shape, self.pad_id, dtype=np.int32)
        targets, mask = token_ids.copy(), np.zeros(shape, dtype=np.int32)
        for line, index in enumerate(rows):
            tokens = self.table[index]
            length = len(tokens) - 1
            token_ids[line, :length], targets[line, :length], mask[line, :length] = tokens[:-1], tokens[1:], 1
        return Batch(token_ids, mask, targets, mask.astype(np.float32))
