"""A Keras preset on disk, read without Keras: the network's shape and the tokenizer.

Only numbers and names are taken out of its JSON files; no class that they name is ever imported.
"""

import dataclasses
from pathlib import Path

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import BpeTokenizer
from kgpt2.checkpoints.vocabulary import read_vocabulary
from kgpt2.errors import RequestError
from kgpt2.files import read_json

Tokenizer = BertTokenizer | BpeTokenizer

STOCK, CHINESE = "GPT2Backbone", "ChineseGPT2Backbone"
_REGISTERED = {"keras_hub>GPT2Backbone": STOCK, "keras_nlp>GPT2Backbone": STOCK, "kgpt2>ChineseGPT2Backbone": CHINESE}


@dataclasses.dataclass(frozen=True)
class Shape:
    """The shape of a GPT-2 network: KerasHub's names for the arguments of its backbone."""

    vocabulary_size: int
    num_layers: int
    num_heads: int
    hidden_dim: int
    intermediate_dim: int
    max_sequence_length: int
    dropout: float


@dataclasses.dataclass(frozen=True)
class Preset:
    """What a preset's JSON files say.

    Attributes:
        folder: where it lies.
        family: `STOCK` (byte-level BPE) or `CHINESE` (BERT vocabulary).
        shape: the network.
        sequence_length: the length that its preprocessor pads to, in tokens; None where it does not say.
    """

    folder: Path
    family: str
    shape: Shape
    sequence_length: int | None

    @property
    def weights(self) -> Path:
        return self.folder / "model.weights.h5"

    def load_tokenizer(self) -> Tokenizer:
        """The preset's tokenizer.

        Raises:
            RequestError: a file of it is missing or broken, or it does not fit the network.
        """
        assets = self.folder / "assets" / "tokenizer"
        if self.family == STOCK:
            tokenizer = BpeTokenizer(assets / "vocabulary.json", assets / "merges.txt")
        else:
            config = _config_of(self.folder / "tokenizer.json")
            vocabulary = read_vocabulary(assets / "vocabulary.txt")
            tokenizer = BertTokenizer(vocabulary, bool(config.get("do_lower_case")), config.get("strip_accents"))
        if tokenizer.vocabulary_size > self.shape.vocabulary_size:
            raise RequestError(
                f"{assets}: the vocabulary has {tokenizer.vocabulary_size} tokens, "
                f"the network only {self.shape.vocabulary_size}: they do not belong together"
            )
        return tokenizer


def read_preset(folder: Path) -> Preset:
    """Reads the description of a preset folder.

    Raises:
        RequestError: a file is missing or broken, or the model is not a GPT-2 that kgpt2 knows.
    """
    path = folder / "config.json"
    document = read_json(path, "model configuration")
    name = document.get("registered_name") if isinstance(document, dict) else None
    if name not in _REGISTERED:
        raise RequestError(f"{path}: not a GPT-2 preset (registered_name is {name!r})")
    config = _config_of(path)
    _refuse_quantized(path, config)
    preprocessor = folder / "preprocessor.json"
    sequence_length = _config_of(preprocessor).get("sequence_length") if preprocessor.is_file() else None
    if sequence_length is not None and (not isinstance(sequence_length, int) or sequence_length < 1):
        raise RequestError(f"{preprocessor}: sequence_length is {sequence_length!r}, not a number of tokens")
    preset = Preset(folder, _REGISTERED[name], _shape(path, config), sequence_length)
    if not preset.weights.is_file():
        raise RequestError(f"{folder}: the preset has no model.weights.h5")
    return preset


def _shape(path: Path, config: dict) -> Shape:
    values = {}
    for field in dataclasses.fields(Shape):
        value = config.get(field.name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or (field.type is int and (not isinstance(value, int) or value < 1)) or not 0 <= value < 2**31:
            raise RequestError(f"{path}: {field.name} is {value!r}, which is no shape of a GPT-2")
        values[field.name] = value
    shape = Shape(**values)
    if shape.hidden_dim % shape.num_heads:
        raise RequestError(f"{path}: hidden_dim {shape.hidden_dim} is no multiple of num_heads {shape.num_heads}")
    return shape


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
