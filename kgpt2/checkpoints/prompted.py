"""A model with a prompt that can be tuned: more rows of its embedding, of tokens that stand in front of every text."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import BpeTokenizer
from kgpt2.checkpoints.checkpoint import Checkpoint, Tokenizer
from kgpt2.checkpoints.special_tokens import prompt_token
from kgpt2.checkpoints.tensors import DTYPES, StoredTensor, Tensors
from kgpt2.errors import RequestError, quoted

RANDOM = "random"


@dataclasses.dataclass(frozen=True)
class Prompted(Checkpoint):
    """A checkpoint with a prompt of its own (Lester et al., 2021, arXiv:2104.08691).

    The prompt's tokens are special ones behind the vocabulary: whoever reads the tokenizer knows them by their names,
    puts them in front of a text, and neither writes nor shows them.

    Attributes:
        base: without the prompt.
        sources: for each of the prompt's vectors, the token whose vector it begins as; empty: they are drawn.
        seed: of the draws.
    """

    base: Checkpoint = dataclasses.field(kw_only=True)
    sources: tuple[int, ...] = dataclasses.field(kw_only=True)
    seed: int = dataclasses.field(kw_only=True)

    @property
    def folders(self) -> tuple[Path, ...]:
        return self.base.folders

    @contextlib.contextmanager
    def open_weights(self) -> Iterator[Tensors]:
        """See `Checkpoint.open_weights`; the embedding is float32, without rows that no token has."""
        with self.base.open_weights() as tensors:
            table = tensors["wte.weight"]

            def read() -> np.ndarray:
                rows = np.asarray(table.read(), np.float32)[: self.base.tokenizer.vocabulary_size]
                return np.concatenate([rows, self._vectors(rows)])

            yield {**tensors, "wte.weight": StoredTensor(self.shape.tensors()["wte.weight"], DTYPES["float32"], read)}

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        """The prompt's first vectors: those of other tokens, or drawn with the mean and deviation of all tokens'."""
        if self.sources:
            return np.take(rows, self.sources, axis=0)
        count = len(self.tokenizer.prompt_ids)
        draws = np.random.default_rng(self.seed).standard_normal((count, rows.shape[1]))
        return np.asarray(rows.mean(axis=0) + rows.std(axis=0) * draws, np.float32)


def with_prompt(base: Checkpoint, length: int, init: str, seed: int) -> Prompted:
    """A checkpoint with a prompt in front.

    Args:
        base: the checkpoint.
        length: of the prompt in tokens.
        init: `RANDOM`, or a text whose tokens' vectors the prompt begins as, repeated or cut to its length.
        seed: of the draws.

    Raises:
        RequestError: the checkpoint has a prompt already, or the text holds no token.
    """
    if base.tokenizer.prompt_ids:
        raise RequestError(
            "model.prompt_tuning: the preset has a tuned prompt already\n"
            "leave it null to train all of the preset on, or start from the preset that it was made from"
        )
    found = [] if init == RANDOM else base.tokenizer.encode(init)
    if init != RANDOM and not found:
        raise RequestError(
            f"model.prompt_tuning.init: {quoted(init)} holds no token of the model; give a text, or {RANDOM}"
        )
    tokenizer = _with_tokens(base.tokenizer, [prompt_token(number) for number in range(length)])
    return Prompted(
        base.folder,
        dataclasses.replace(base.shape, vocabulary_size=tokenizer.vocabulary_size),
        tokenizer,
        base.sequence_length,
        base.notes,
        base=base,
        sources=tuple(found[number % len(found)] for number in range(length)) if found else (),
        seed=seed,
    )


def _with_tokens(plain: Tokenizer, names: list[str]) -> Tokenizer:
    added = {**plain.added_tokens, **dict.fromkeys(names, True)}
    if isinstance(plain, BertTokenizer):
        vocabulary = [*plain.vocabulary, *names]
        return BertTokenizer(
            vocabulary, plain.do_lower_case, plain.strip_accents, added, plain.normalized, plain.tokens
        )
    ids = {name: plain.vocabulary_size + number for number, name in enumerate(names)}
    return BpeTokenizer(
        {**plain.token_to_id, **ids}, plain.merges, added, normalized=plain.normalized, tokens=plain.tokens
    )
