"""A GPT-2 folder as transformers writes it: config.json, a tokenizer, and weights in one of its formats."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kgpt2.checkpoints.checkpoint import Checkpoint, Tokenizer
from kgpt2.checkpoints.hugging_face_config import dropout_notes, read_shape, told_ids
from kgpt2.checkpoints.hugging_face_tokenizer import read_hugging_face_tokenizer
from kgpt2.checkpoints.hugging_face_weights import ROUNDED, find_weights, open_gpt2
from kgpt2.checkpoints.special_tokens import SpecialTokens
from kgpt2.checkpoints.tensors import Tensors
from kgpt2.errors import RequestError
from kgpt2.files import read_json

# An embedding may be filled up to a round number of rows, which computes faster.
_PADDED_TO = (64, 128)
# Settings of generation_config.json that kgpt2 has options for, and keeps no defaults of.
_SAMPLING = ("temperature", "top_k", "top_p", "repetition_penalty", "no_repeat_ngram_size", "max_new_tokens")


@dataclasses.dataclass(frozen=True)
class HuggingFaceFolder(Checkpoint):
    """A Hugging Face checkpoint; `open_weights` reads its files in place.

    Attributes:
        tied: whether config.json says that the output layer is the token embedding.
    """

    tied: bool = True

    @property
    def is_for_transformers(self) -> bool:
        """Whether transformers reads the folder too."""
        return find_weights(self.folder)[0][0].name != ROUNDED

    def open_weights(self) -> contextlib.AbstractContextManager[Tensors]:
        """See `Checkpoint.open_weights`; shards are put together, and a tied output layer is left out."""
        return open_gpt2(*find_weights(self.folder), self.shape, self.tied)


def read_hugging_face(folder: Path, tokens: SpecialTokens | None = None) -> HuggingFaceFolder:
    """Reads the description of a folder.

    Args:
        folder: with config.json.
        tokens: what begins and ends a text and breaks its lines, where a user names it.

    Raises:
        RequestError: a file is missing or broken, or the network is none that KerasHub's GPT-2 computes.
    """
    path = folder / "config.json"
    config = read_json(path, "model configuration")
    if not isinstance(config, dict):
        raise RequestError(f"{path}: not the configuration of a model (a JSON object is expected)")
    shape = read_shape(path, config)
    tokenizer = read_hugging_face_tokenizer(folder, {**config, "vocab_size": shape.vocabulary_size}, tokens)
    require_rows(folder, tokenizer, shape.vocabulary_size)
    find_weights(folder)
    tied = config.get("tie_word_embeddings") is not False
    return HuggingFaceFolder(folder, shape, tokenizer, notes=tuple(_notes(folder, config, tokenizer)), tied=tied)


def require_rows(folder: Path, tokenizer: Tokenizer, rows: int) -> None:
    """Sees to it that every token has a row of the embedding; rows too many are never drawn.

    Raises:
        RequestError: tokens are too many.
    """
    if tokenizer.vocabulary_size > rows:
        raise RequestError(
            f"{folder}: the vocabulary has {tokenizer.vocabulary_size} tokens, the embedding of config.json {rows}: "
            "they do not belong together\ntake the tokenizer files of the same revision"
        )


def _notes(folder: Path, config: dict[str, Any], tokenizer: Tokenizer) -> Iterator[str]:
    yield from dropout_notes(config)
    ends = told_ids(config, "eos_token_id", tokenizer.vocabulary_size)
    if ends and ends != [tokenizer.end_id]:
        yield (
            f"config.json ends texts at {', '.join(map(str, ends))}; "
            f"here they end at {tokenizer.end_id} ({tokenizer.end_token})"
        )
    size, rows = tokenizer.vocabulary_size, config.get("vocab_size", 50257)
    if rows != size and rows not in {-(-size // step) * step for step in _PADDED_TO}:
        yield f"the vocabulary has {size} tokens, the embedding {rows} rows: those from {size} on are never drawn"
    path = folder / "generation_config.json"
    generation = read_json(path) if os.path.lexists(path) else {}
    kept = [key for key in _SAMPLING if generation.get(key) is not None] if isinstance(generation, dict) else []
    if kept:
        yield f"generation_config.json's {', '.join(kept)} are not kept: they are options of `kgpt2 generate`"
    if (folder / "adapter_config.json").is_file():
        yield (
            "adapter_config.json: an adapter lies beside the model and is not merged into it; "
            f"--base {folder} merges it"
        )
