"""A Keras preset on disk, read without Keras.

Only numbers and names are taken out of its JSON files; no class that they name is ever imported.
"""

import contextlib
import dataclasses
import os
from pathlib import Path

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import END_OF_TEXT, BpeTokenizer, read_bpe_files
from kgpt2.checkpoints.checkpoint import Checkpoint, Tokenizer
from kgpt2.checkpoints.formats.keras_file import open_keras
from kgpt2.checkpoints.shape import Shape
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


def read_preset(folder: Path) -> Preset:
    """Reads the description of a preset folder.

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
    shape = Shape(**{field.name: config.get(field.name) for field in dataclasses.fields(Shape)})
    if fault := shape.fault():
        raise RequestError(f"{path}: {fault}, which is no shape of a GPT-2")
    tokenizer = _chinese_tokenizer(folder) if name in _CHINESE else _stock_tokenizer(folder)
    if tokenizer.vocabulary_size > shape.vocabulary_size:
        raise RequestError(
            f"{folder}: the vocabulary has {tokenizer.vocabulary_size} tokens, "
            f"the network only {shape.vocabulary_size}: they do not belong together"
        )
    if not (folder / "model.weights.h5").is_file():
        raise RequestError(f"{folder}: the preset has no model.weights.h5")
    return Preset(folder, shape, tokenizer, sequence_length)


def _stock_tokenizer(folder: Path) -> Tokenizer:
    assets = folder / "assets" / "tokenizer"
    config = _config_of(folder / "tokenizer.json") if os.path.lexists(folder / "tokenizer.json") else {}
    token_to_id, merges = read_bpe_files(assets / "vocabulary.json", assets / "merges.txt")
    named = config.get("unsplittable_tokens") or []
    if not isinstance(named, list) or not all(isinstance(token, str) and token for token in named):
        raise RequestError(f"{folder / 'tokenizer.json'}: unsplittable_tokens is {quoted(named)}, not a list of tokens")
    added = [token for token in named if token != END_OF_TEXT]
    return BpeTokenizer(token_to_id, merges, dict.fromkeys(added, True), where=str(assets))


def _chinese_tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    config = _config_of(path)
    vocabulary = read_vocabulary(folder / "assets" / "tokenizer" / "vocabulary.txt")
    lower, accents, added = (config.get(key) for key in ("do_lower_case", "strip_accents", "added_tokens"))
    if not isinstance(lower, bool | None) or not isinstance(accents, bool | None):
        raise RequestError(f"{path}: do_lower_case or strip_accents is not true or false")
    if not isinstance(added, dict | None) or not all(token and type(added[token]) is bool for token in added or ()):
        raise RequestError(f"{path}: added_tokens is {quoted(added)}, not true or false by token")
    try:
        return BertTokenizer(vocabulary, bool(lower), accents, added)
    except ValueError as error:
        raise RequestError(f"{path}: {error}") from None


def _refuse_quantized(path: Path, config: dict) -> None:
    policy = config.get("dtype")
    text = str(policy)
    if policy is not None and any(word in text for word in ("DTypePolicyMap", "int8", "int4", "float8", "gptq", "awq")):
        raise RequestError(f"{path}: the preset is quantized; kgpt2 loads float presets (quantize when you generate)")


def _config_of(path: Path) -> dict:
    document = read_json(path, "part of a preset")
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise RequestError(f"{path}: not a serialised Keras object (no config)")
    return config
