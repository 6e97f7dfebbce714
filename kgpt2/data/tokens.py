"""Tokenised examples in flat arrays, in memory or mapped from disk, and the rows that training reads of them."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.data.example import Example
from kgpt2.data.splits import key_of


@dataclasses.dataclass(frozen=True)
class TokenTable:
    """Examples of different lengths without padding.

    Attributes:
        ids: uint16 or int32 `(tokens,)`, the examples one after the other, each with start and end token.
        ends: int64 `(examples,)`, where each ends.
        prompts: uint32 `(examples,)`, how many tokens after the start token are read and not learned, those of a tuned
            prompt among them.
        keys: uint64 `(examples,)`: examples of one key never lie on both sides of a split.
    """

    ids: NDArray[np.integer]
    ends: NDArray[np.int64]
    prompts: NDArray[np.uint32]
    keys: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> NDArray[np.integer]:
        start = self.ends[index - 1] if index else 0
        return self.ids[start : self.ends[index]]

    @property
    def lengths(self) -> NDArray[np.uint32]:
        """uint32 `(examples,)`, in tokens."""
        lengths = np.empty(len(self), np.uint32)
        lengths[:1] = self.ends[:1]
        np.subtract(self.ends[1:], self.ends[:-1], out=lengths[1:], casting="unsafe")
        return lengths


def encode(examples: Sequence[Example], tokenizer: Tokenizer) -> TokenTable:
    """Examples as `start + prompt + text + end`.

    Example:
        >>> from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS, BertTokenizer
        >>> tokenizer = BertTokenizer([*SPECIAL_TOKENS, *"春风"])
        >>> table = encode([Example("春风"), Example("风")], tokenizer)
        >>> table.ids.tolist(), table.lengths.tolist()
        ([2, 5, 6, 3, 2, 6, 3], [4, 3])
    """
    texts = tokenizer.encode_batch([example.text for example in examples])
    prompts: Iterable[list[int]] = [[]] * len(examples)
    if any(example.prompt for example in examples):
        prompts = tokenizer.encode_batch([example.prompt for example in examples])
    flat: list[int] = []
    ends, given = [], []
    for prompt, text in zip(prompts, texts, strict=True):
        flat += tokenizer.start_ids
        flat += prompt
        flat += text
        flat.append(tokenizer.end_id)
        ends.append(len(flat))
        given.append(len(tokenizer.prompt_ids) + len(prompt))
    return TokenTable(
        np.array(flat, id_type(tokenizer)),
        np.array(ends, np.int64),
        np.array(given, np.uint32),
        np.array([key_of(example.group or example.prompt + example.text) for example in examples], np.uint64),
    )


def id_type(tokenizer: Tokenizer) -> type[np.uint16] | type[np.int32]:
    """The smallest type that holds every id of a vocabulary.

    Example:
        >>> from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS, BertTokenizer
        >>> tokenizer = BertTokenizer([*SPECIAL_TOKENS, *"春风"])
        >>> id_type(tokenizer).__name__
        'uint16'
    """
    return np.uint16 if tokenizer.vocabulary_size <= 1 << 16 else np.int32


class Rows(Protocol):
    """What batches are made of: rows of tokens, and which of them are learned."""

    @property
    def lengths(self) -> NDArray[np.uint32]:
        """`(rows,)`, in tokens."""

    def __len__(self) -> int: ...

    def block(self, indices: NDArray[np.integer], width: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Some rows side by side.

        Args:
            indices: int `(some,)`.
            width: as long as the longest of them, or more.

        Returns:
            Their tokens, int32 `(some, width)`, anything behind their ends; and which tokens are learned, bool
            `(some, width)`: never the first of a row, nor what lies behind its end.
        """


class Selected:
    """Some examples of a table, each cut after `max_tokens`.

    A text that is cut loses its end token with its end: a model must not learn to stop in the middle of a line.

    Args:
        table: the examples.
        chosen: bool `(examples,)`.
        max_tokens: the longest row; None: as long as they are.

    Attributes:
        cut: how many were longer.
        unlearnable: how many were left out, because nothing but their prompt would stay.

    Example:
        >>> from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS, BertTokenizer
        >>> tokenizer = BertTokenizer([*SPECIAL_TOKENS, *"春风"])
        >>> table = encode([Example("春风"), Example("风")], tokenizer)
        >>> rows = Selected(table, np.array([True, True]), max_tokens=3)
        >>> rows.lengths.tolist(), rows.cut
        ([3, 3], 1)
    """

    def __init__(self, table: TokenTable, chosen: NDArray[np.bool_], max_tokens: int | None = None):
        self._table, self._max_tokens = table, max_tokens
        lengths = table.lengths
        longest = np.uint32(lengths.max(initial=2) if max_tokens is None else max_tokens)
        kept = chosen & (table.prompts < np.minimum(lengths, longest) - 1)
        self.unlearnable = int(chosen.sum() - kept.sum())
        self._index = np.flatnonzero(kept).astype(np.uint32 if len(table) < 1 << 32 else np.int64)
        lengths = lengths[self._index]
        self.cut = int((lengths > longest).sum())
        self.lengths = np.minimum(lengths, longest)

    def __len__(self) -> int:
        return len(self._index)

    def block(self, indices: NDArray[np.integer], width: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        rows = self._index[indices].astype(np.int64)
        starts = np.where(rows > 0, self._table.ends[rows - 1], 0)
        places = np.arange(width)
        within = places < self.lengths[indices][:, None]
        learned = within & (places > self._table.prompts[rows][:, None])
        found = np.minimum(starts[:, None] + places, len(self._table.ids) - 1)
        return self._table.ids[found].astype(np.int32), learned


class Packed:
    """Rows one after the other, cut anew into rows of `max_tokens`, as GPT-2 was trained.

    Neighbouring rows share one token, so that every token but the first is a target once (but those of prompts). The
    last row may be shorter.

    Example:
        >>> from kgpt2.checkpoints.bert_tokenizer import SPECIAL_TOKENS, BertTokenizer
        >>> tokenizer = BertTokenizer([*SPECIAL_TOKENS, *"春风"])
        >>> table = encode([Example("春风"), Example("风")], tokenizer)
        >>> Packed(Selected(table, np.array([True, True])), max_tokens=4).lengths.tolist()
        [4, 4]
    """

    def __init__(self, rows: Rows, max_tokens: int):
        self._rows, self._stride = rows, max_tokens - 1
        self._ends = np.cumsum(rows.lengths, dtype=np.int64)
        tokens = int(self._ends[-1]) if len(rows) else 0
        count = max(1, -(-(tokens - 1) // self._stride)) if tokens else 0
        self.lengths = np.full(count, max_tokens, np.uint32)
        if count:
            self.lengths[-1] = tokens - (count - 1) * self._stride

    def __len__(self) -> int:
        return len(self.lengths)

    def block(self, indices: NDArray[np.integer], width: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        tokens, learned = np.zeros((len(indices), width), np.int32), np.zeros((len(indices), width), bool)
        for line, index in enumerate(indices):
            length = int(self.lengths[index])
            tokens[line, :length], learned[line, 1:length] = self._row(int(index), length)
        return tokens, learned

    def _row(self, index: int, length: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Its tokens `(length,)`, and which of those after the first are learned."""
        start = index * self._stride
        first, last = np.searchsorted(self._ends, [start, start + length - 1], side="right")
        inside = np.arange(first, last + 1)
        lengths = self._rows.lengths[inside].astype(np.int64)
        tokens, learned = self._rows.block(inside, int(lengths.max()))
        within = np.arange(tokens.shape[1]) < lengths[:, None]
        # A row's first token, the start token, is the target of what stood before it in the pack.
        learned[:, 0] = True
        skip = start - int(self._ends[first - 1] if first else 0)
        return tokens[within][skip : skip + length], learned[within][skip + 1 : skip + length]
