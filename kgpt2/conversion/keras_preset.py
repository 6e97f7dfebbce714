"""A Keras preset, as KerasHub's `save_to_preset` writes it, without Keras."""

import dataclasses
import datetime
import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import is_stock, whole_tokens
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.formats.keras_file import write_keras
from kgpt2.writing import write_json, write_text

_KGPT2 = {
    "backbone": ("kgpt2.models.backbone", "kgpt2", "ChineseGPT2Backbone"),
    "tokenizer": ("kgpt2.models.tokenizer", "kgpt2", "ChineseGPT2Tokenizer"),
    "preprocessor": ("kgpt2.models.preprocessor", "kgpt2", "ChineseGPT2CausalLMPreprocessor"),
    "task": ("kgpt2.models.causal_lm", "kgpt2", "ChineseGPT2CausalLM"),
}
_KERAS_HUB = {
    "own_tokenizer": ("kgpt2.models.gpt2_tokenizer", "kgpt2", "GPT2Tokenizer"),
    "backbone": ("keras_hub.src.models.gpt2.gpt2_backbone", "keras_hub", "GPT2Backbone"),
    "tokenizer": ("keras_hub.src.models.gpt2.gpt2_tokenizer", "keras_hub", "GPT2Tokenizer"),
    "preprocessor": (
        "keras_hub.src.models.gpt2.gpt2_causal_lm_preprocessor",
        "keras_hub",
        "GPT2CausalLMPreprocessor",
    ),
    "task": ("keras_hub.src.models.gpt2.gpt2_causal_lm", "keras_hub", "GPT2CausalLM"),
}


def write_keras_preset(
    folder: Path,
    checkpoint: Checkpoint,
    dtypes: Mapping[str, np.dtype],
    arrays: Iterator[tuple[str, np.ndarray]],
) -> None:
    """Writes a preset that `keras_hub.models.CausalLM.from_preset` loads (a Chinese one after `import kgpt2.models`).

    Whatever type the weights are stored in, the preset computes in float32 unless its user asks for another dtype.

    Args:
        folder: an empty folder.
        checkpoint: shape and tokenizer.
        dtypes: of the tensors; the file marks each itself.
        arrays: names and values, in the order of `Shape.tensors`.
    """
    tokenizer = _tokenizer(checkpoint)
    backbone = _object(checkpoint, "backbone", dataclasses.asdict(checkpoint.shape))
    preprocessor = _object(
        checkpoint,
        "preprocessor",
        {
            "tokenizer": tokenizer,
            "config_file": "preprocessor.json",
            "sequence_length": checkpoint.sequence_length or checkpoint.shape.max_sequence_length,
            "add_start_token": True,
            "add_end_token": True,
        },
    )
    task = _object(checkpoint, "task", {"backbone": backbone, "preprocessor": preprocessor})
    del task["config"]["trainable"], task["config"]["dtype"]
    metadata = {
        "keras_version": importlib.metadata.version("keras"),
        "keras_hub_version": importlib.metadata.version("keras-hub"),
        "parameter_count": checkpoint.shape.parameters,
        "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
        "tasks": ["CausalLM"],
    }
    documents = {
        "config": backbone,
        "tokenizer": tokenizer,
        "preprocessor": preprocessor,
        "task": task,
        "metadata": metadata,
    }
    for name, document in documents.items():
        write_json(folder / f"{name}.json", document)
    _write_assets(folder / "assets" / "tokenizer", checkpoint)
    write_keras(folder / "model.weights.h5", checkpoint.shape, arrays)


def _tokenizer(checkpoint: Checkpoint) -> dict[str, Any]:
    plain = checkpoint.tokenizer
    config: dict[str, object] = {"config_file": "tokenizer.json", "sequence_length": None}
    tokens = {f"{name}_token": token for name, token in dataclasses.asdict(plain.tokens).items()}
    own = {"added_tokens": plain.added_tokens, "normalized_tokens": sorted(plain.normalized), **tokens}
    if isinstance(plain, BertTokenizer):
        config |= {
            "vocabulary": None,
            "strip_accents": plain.strip_accents,
            "special_tokens_in_strings": False,
            "do_lower_case": plain.do_lower_case,
        }
        return _object(checkpoint, "tokenizer", config | own, dtype="int32")
    config |= {"add_prefix_space": False, "unsplittable_tokens": whole_tokens(plain)}
    if is_stock(plain):
        return _object(checkpoint, "tokenizer", config, dtype="int32")
    return _object(checkpoint, "own_tokenizer", config | own, dtype="int32")


def _object(checkpoint: Checkpoint, kind: str, config: dict[str, Any], dtype: str = "float32") -> dict[str, Any]:
    """A Keras object as `keras.saving.serialize_keras_object` gives it."""
    module, package, name = (_KGPT2 if checkpoint.is_chinese else _KERAS_HUB)[kind]
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": dtype}, "registered_name": None}
    return {
        "module": module,
        "class_name": name,
        "config": {"name": kind.removeprefix("own_"), "trainable": True, "dtype": policy, **config},
        "registered_name": f"{package}>{name}",
    }


def _write_assets(folder: Path, checkpoint: Checkpoint) -> None:
    plain = checkpoint.tokenizer
    if isinstance(plain, BertTokenizer):
        write_text(folder / "vocabulary.txt", "".join(f"{token}\n" for token in plain.vocabulary))
    else:
        write_json(folder / "vocabulary.json", plain.token_to_id)
        write_text(folder / "merges.txt", "".join(f"{first} {second}\n" for first, second in plain.merges))
