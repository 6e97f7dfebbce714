"""A Keras preset on disk, read without Keras.

Only numbers and names are taken out of its JSON files; no class that they name is ever imported.
"""

import contextlib
import dataclasses
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import END_OF_TEXT, BpeTokenizer, read_bpe_files
from kgpt2.checkpoints.checkpoint import Checkpoint, Tokenizer
from kgpt2.checkpoints.formats.keras_file import open_keras
from kgpt2.checkpoints.shape import Shape
from kgpt2.checkpoints.special_tokens import SpecialTokens
from kgpt2.checkpoints.tensors import Tensors
from kgpt2.checkpoints.vocabulary import read_vocabulary
from kgpt2.errors import RequestError, quoted
from kgpt2.files import read_json, read_object

_STOCK = {"keras_hub>GPT2Backbone", "keras_nlp>GPT2Backbone"}
_CHINESE = {"kgpt2>ChineseGPT2Backbone"}


@dataclasses.dataclass(frozen=True)
class Preset(Checkpoint):
    """A Keras preset: KerasHub's GPT-2 classes, or kgpt2's for a BERT vocabulary."""

    def open_weights(self) -> contextlib.AbstractContextManager[Tensors]:
        """See `Checkpoint.open_weights`."""
        return open_keras(self.folder / "model.weights.h5", self.shape)


def read_preset(folder: Path, tokens: SpecialTokens | None = None) -> Preset:
    """Reads the description of a preset folder.

    Args:
        folder: of the preset.
        tokens: what begins and ends a text and breaks its lines, where a user names it.

    Raises:
        RequestError: a file is missing or broken, or the model is not a GPT-2 that kgpt2 knows.
    """
    path = folder / "config.json"
    name = read_object(path, "model configuration").get("registered_name")
    if not isinstance(name, str) or name not in _STOCK | _CHINESE:
        raise RequestError(f"{path}: not a GPT-2 preset (registered_name is {quoted(name)})")
    config = _config_of(path)
    _refuse_quantized(path, config)
    preprocessor = folder / "preprocessor.json"
    sequence_length = _config_of(preprocessor).get("sequence_length") if os.path.lexists(preprocessor) else None
    if sequence_length is not None and (type(sequence_length) is not int or not 1 <= sequence_length < 2**31):
        raise RequestError(f"{preprocessor}: sequence_length is {quoted(sequence_length)}, not a number of tokens")
    numbers: dict[str, Any] = {field.name: config.get(field.name) for field in dataclasses.fields(Shape)}
    shape = Shape(**numbers)
    if fault := shape.fault():
        raise RequestError(f"{path}: {fault}, which is no shape of a GPT-2")
    tokenizer = (_chinese_tokenizer if name in _CHINESE else _bpe_tokenizer)(folder, tokens or SpecialTokens())
    if tokenizer.vocabulary_size > shape.vocabulary_size:
        raise RequestError(
            f"{folder}: the vocabulary has {tokenizer.vocabulary_size} tokens, "
            f"the network only {shape.vocabulary_size}: they do not belong together"
        )
    if not (folder / "model.weights.h5").is_file():
        raise RequestError(f"{folder}: the preset has no model.weights.h5")
    return Preset(folder, shape, tokenizer, sequence_length)


def _bpe_tokenizer(folder: Path, tokens: SpecialTokens) -> Tokenizer:
    assets = folder / "assets" / "tokenizer"
    config = _config_of(folder / "tokenizer.json") if os.path.lexists(folder / "tokenizer.json") else {}
    token_to_id, merges = read_bpe_files(assets / "vocabulary.json", assets / "merges.txt")
    named = config.get("unsplittable_tokens") or []
    if not isinstance(named, list) or not all(isinstance(token, str) and token for token in named):
        raise RequestError(f"{folder / 'tokenizer.json'}: unsplittable_tokens is {quoted(named)}, not a list of tokens")
    added = _added(folder / "tokenizer.json", config)
    added = added or dict.fromkeys((token for token in named if token != END_OF_TEXT), True)
    return BpeTokenizer(token_to_id, merges, where=str(assets), **_recorded(assets, config, added, tokens, token_to_id))


def _chinese_tokenizer(folder: Path, tokens: SpecialTokens) -> Tokenizer:
    path = folder / "tokenizer.json"
    config = _config_of(path)
    lower, accents = (config.get(key) for key in ("do_lower_case", "strip_accents"))
    if not isinstance(lower, bool | None) or not isinstance(accents, bool | None):
        raise RequestError(f"{path}: do_lower_case or strip_accents is not true or false")
    vocabulary = read_vocabulary(folder / "assets" / "tokenizer" / "vocabulary.txt")
    recorded = _recorded(path, config, _added(path, config), tokens, vocabulary)
    try:
        return BertTokenizer(vocabulary, bool(lower), accents, **recorded)
    except ValueError as error:
        raise RequestError(f"{path}: {error}") from None


def _added(path: Path, config: dict[str, Any]) -> dict[str, bool]:
    added = config.get("added_tokens") or {}
    if not isinstance(added, dict) or not all(token and type(added[token]) is bool for token in added):
        raise RequestError(f"{path}: added_tokens is {quoted(added)}, not true or false by token")
    return added


def _recorded(
    where: Path, config: dict[str, Any], added: dict[str, Any], tokens: SpecialTokens, vocabulary: Collection[str]
) -> dict[str, Any]:
    """What a preset tells of added tokens, and of the first and last token of a text and its line breaks."""
    told = SpecialTokens(*(config.get(f"{name}_token") for name in ("start", "end", "newline")))
    normalized = config.get("normalized_tokens") or []
    if not isinstance(normalized, list):
        raise RequestError(f"{where}: normalized_tokens is {quoted(normalized)}, not a list of tokens")
    names = [*told.named().values(), *normalized]
    if not all(isinstance(name, str) and name in vocabulary for name in names):
        raise RequestError(f"{where}: its tokens are not those of its vocabulary")
    tokens = tokens.over(told)
    tokens.require_in(vocabulary)
    return {"added_tokens": added, "normalized": normalized, "tokens": tokens}


def _refuse_quantized(path: Path, config: dict[str, Any]) -> None:
    policy = config.get("dtype")
    text = str(policy)
    if policy is not None and any(word in text for word in ("DTypePolicyMap", "int8", "int4", "float8", "gptq", "awq")):
        raise RequestError(f"{path}: the preset is quantized; kgpt2 loads float presets (quantize when you generate)")


def _config_of(path: Path) -> dict[str, Any]:
    document = read_json(path, "part of a preset")
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise RequestError(f"{path}: not a serialised Keras object (no config)")
    return config
