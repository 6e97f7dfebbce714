"""Tasks from presets, from nothing, and back to disk."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import keras
import keras_hub

from kgpt2.checkpoints.preset import CHINESE, Preset, Shape
from kgpt2.checkpoints.vocabulary import read_vocabulary
from kgpt2.errors import RequestError
from kgpt2.files import whole_folder
from kgpt2.models.backbone import ChineseGPT2Backbone
from kgpt2.models.causal_lm import ChineseGPT2CausalLM
from kgpt2.models.preprocessor import ChineseGPT2CausalLMPreprocessor
from kgpt2.models.tokenizer import ChineseGPT2Tokenizer


def load_task(
    preset: Preset,
    *,
    dtype: str = "float32",
    dropout: float | None = None,
    sequence_length: int | None = None,
) -> keras_hub.models.CausalLM:
    """A task with the preset's weights.

    The network is built from the numbers of `read_preset`, so that no class named in the preset's files is imported.

    Args:
        preset: as `checkpoints.preset.read_preset` gives it.
        dtype: Keras' dtype policy.
        dropout: None: the preset's own.
        sequence_length: of the preprocessor; None: the preset's own, or the whole context.

    Raises:
        RequestError: the weights do not fit the network that config.json describes.
    """
    shape = preset.shape if dropout is None else dataclasses.replace(preset.shape, dropout=dropout)
    length = min(sequence_length or preset.sequence_length or shape.max_sequence_length, shape.max_sequence_length)
    assets = preset.folder / "assets" / "tokenizer"
    if preset.family == CHINESE:
        plain = preset.load_tokenizer()
        vocabulary = read_vocabulary(assets / "vocabulary.txt")
        task = _chinese_task(shape, dtype, length, vocabulary, plain.do_lower_case, plain.strip_accents)
    else:
        backbone = keras_hub.models.GPT2Backbone(**dataclasses.asdict(shape), dtype=dtype)
        tokenizer = keras_hub.models.GPT2Tokenizer(str(assets / "vocabulary.json"), str(assets / "merges.txt"))
        preprocessor = keras_hub.models.GPT2CausalLMPreprocessor(tokenizer, sequence_length=length)
        task = keras_hub.models.GPT2CausalLM(backbone=backbone, preprocessor=preprocessor)
    try:
        task.backbone.load_weights(str(preset.weights))
    except (ValueError, OSError, KeyError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise RequestError(f"{preset.weights}: the weights do not fit config.json ({reason})") from error
    return task


def from_scratch(
    vocabulary: Sequence[str], *, layers: int, heads: int, width: int, sequence_length: int, dtype: str, dropout: float
) -> ChineseGPT2CausalLM:
    """A task with random weights (GPT-2's proportions: feed-forward 4 x width) over a BERT vocabulary."""
    shape = Shape(
        vocabulary_size=len(vocabulary),
        num_layers=layers,
        num_heads=heads,
        hidden_dim=width,
        intermediate_dim=4 * width,
        max_sequence_length=sequence_length,
        dropout=dropout,
    )
    return _chinese_task(shape, dtype, sequence_length, vocabulary, do_lower_case=False, strip_accents=False)


def save_preset(task: keras_hub.models.CausalLM, folder: Path) -> None:
    """Writes a task as a Keras preset, whole or not at all; a preset already there stays until the new one is."""
    with whole_folder(folder) as temporary:
        task.save_to_preset(str(temporary))


def count_parameters(model: keras.Model) -> tuple[int, int]:
    """All weights of a model, and those that training changes."""
    return tuple(sum(math.prod(w.shape) for w in weights) for weights in (model.weights, model.trainable_weights))


def _chinese_task(
    shape: Shape, dtype: str, sequence_length: int, vocabulary: Sequence[str], do_lower_case: bool, strip_accents: bool
) -> ChineseGPT2CausalLM:
    backbone = ChineseGPT2Backbone(**dataclasses.asdict(shape), dtype=dtype)
    tokenizer = ChineseGPT2Tokenizer(vocabulary, do_lower_case=do_lower_case, strip_accents=strip_accents)
    preprocessor = ChineseGPT2CausalLMPreprocessor(tokenizer, sequence_length=sequence_length)
    return ChineseGPT2CausalLM(backbone=backbone, preprocessor=preprocessor)
