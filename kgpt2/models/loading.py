"""Tasks from presets, from nothing, and back to disk."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.bpe_tokenizer import BpeTokenizer, is_stock, whole_tokens
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.formats.keras_file import split
from kgpt2.checkpoints.shape import Shape
from kgpt2.checkpoints.special_tokens import SpecialTokens
from kgpt2.checkpoints.tensors import Tensors, read_all
from kgpt2.models.backbone import ChineseGPT2Backbone
from kgpt2.models.causal_lm import ChineseGPT2CausalLM
from kgpt2.models.gpt2_tokenizer import GPT2Tokenizer
from kgpt2.models.preprocessor import ChineseGPT2CausalLMPreprocessor
from kgpt2.models.tokenizer import ChineseGPT2Tokenizer
from kgpt2.writing import require_room, whole_folder


def load_task(
    checkpoint: Checkpoint,
    *,
    dtype: str = "float32",
    dropout: float | None = None,
    sequence_length: int | None = None,
) -> keras_hub.models.CausalLM:
    """A task with the weights of a checkpoint.

    The network is built from checked numbers, so that no class named in a file is imported, and the weights are read
    one at a time.

    Args:
        checkpoint: as `checkpoints.names.read_model` gives it.
        dtype: Keras' dtype policy.
        dropout: None: the checkpoint's own.
        sequence_length: of the preprocessor; None: the checkpoint's own, or the whole context.

    Raises:
        RequestError: the weights are broken or do not fit the network.
    """
    shape = checkpoint.shape if dropout is None else dataclasses.replace(checkpoint.shape, dropout=dropout)
    length = min(sequence_length or checkpoint.sequence_length or shape.max_sequence_length, shape.max_sequence_length)
    # Opened before the network is built: weights that do not fit cost no time and no memory.
    with checkpoint.open_weights() as tensors:
        tokenizer = checkpoint.tokenizer
        if isinstance(tokenizer, BertTokenizer):
            task: keras_hub.models.CausalLM = _chinese_task(shape, dtype, length, tokenizer)
        else:
            task = _stock_task(shape, dtype, length, tokenizer)
        assign_weights(task.backbone, tensors, str(checkpoint.folder))
    return task


def assign_weights(backbone: keras_hub.models.GPT2Backbone, tensors: Tensors, where: str) -> None:
    """Gives a backbone the tensors of a checkpoint, one at a time; its shape must be the checkpoint's.

    Raises:
        RequestError: a tensor cannot be read, or holds NaN or infinity.
    """
    variables = backbone_variables(backbone)
    for name, array in read_all(tensors, where):
        parts = variables[name]
        for variable, values in zip(parts, split(array, len(parts)), strict=True):
            variable.assign(np.asarray(values, "float32").reshape(variable.shape))


def backbone_variables(backbone: keras_hub.models.GPT2Backbone) -> Mapping[str, list[keras.Variable]]:
    """The variables that hold each tensor of `Shape.tensors`; query, key and value are three."""
    layers = {"ln_f": [backbone.layer_norm]}
    for block, layer in enumerate(backbone.transformer_layers):
        dense = dense_layers(layer)
        layers |= {
            f"h.{block}.ln_1": [layer._self_attention_layer_norm],
            f"h.{block}.attn.c_attn": [dense["query"], dense["key"], dense["value"]],
            f"h.{block}.attn.c_proj": [dense["attention_output"]],
            f"h.{block}.ln_2": [layer._feedforward_layer_norm],
            f"h.{block}.mlp.c_fc": [dense["feedforward_intermediate_dense"]],
            f"h.{block}.mlp.c_proj": [dense["feedforward_output_dense"]],
        }
    variables = {
        "wte.weight": [backbone.token_embedding.embeddings],
        "wpe.weight": [backbone.position_embedding.position_embeddings],
    }
    for name, parts in layers.items():
        norm = isinstance(parts[0], keras.layers.LayerNormalization)
        variables[f"{name}.weight"] = [part.gamma if norm else part.kernel for part in parts]
        variables[f"{name}.bias"] = [part.beta if norm else part.bias for part in parts]
    return variables


def dense_layers(block: keras_hub.layers.TransformerDecoder) -> dict[str, keras.layers.Layer]:
    """A block's dense layers under KerasHub's names, those of `config.Dense`."""
    attention = block._self_attention_layer
    layers = [attention.query_dense, attention.key_dense, attention.value_dense, attention.output_dense]
    layers += [block._feedforward_intermediate_dense, block._feedforward_output_dense]
    return {layer.name: layer for layer in layers}


def from_scratch(
    vocabulary: Sequence[str],
    *,
    layers: int,
    heads: int,
    width: int,
    sequence_length: int,
    dtype: str,
    dropout: float,
    added_tokens: Mapping[str, bool] | None = None,
    tokens: SpecialTokens | None = None,
) -> ChineseGPT2CausalLM:
    """A task with random weights over a BERT vocabulary, in GPT-2's proportions: feed-forward 4 x width.

    The weights are drawn as GPT-2's are ("Language Models are Unsupervised Multitask Learners", 2.3) and as
    transformers draws them, with deviation 0.02, less by 1 / sqrt(2 x layers) where a projection adds to the residual.
    KerasHub leaves that factor out, and halves the deviation of the token embeddings.

    `added_tokens` and `tokens` as in `BertTokenizer`.
    """
    shape = Shape(
        vocabulary_size=len(vocabulary),
        num_layers=layers,
        num_heads=heads,
        hidden_dim=width,
        intermediate_dim=4 * width,
        max_sequence_length=sequence_length,
        dropout=dropout,
    )
    tokenizer = BertTokenizer(vocabulary, added_tokens=added_tokens, tokens=tokens)
    task = _chinese_task(shape, dtype, sequence_length, tokenizer)
    for name, parts in backbone_variables(task.backbone).items():
        if name.startswith(("wte", "wpe")) or name.endswith(("c_attn.weight", "c_fc.weight", "c_proj.weight")):
            deviation = 0.02 / math.sqrt(2 * layers) if name.endswith("c_proj.weight") else 0.02
            for variable in parts:
                variable.assign(keras.random.normal(variable.shape, stddev=deviation, dtype=variable.dtype))
    return task


def save_preset(task: keras_hub.models.CausalLM, folder: Path) -> None:
    """Writes a task as a Keras preset, whole or not at all; a preset already there stays until the new one is.

    LoRA's factors are merged into the kernels that are written; the task keeps them apart.

    Raises:
        RequestError, WorkError: there is no room for it; see `require_room`.
    """
    weights = task.backbone.weights
    require_room(folder, sum(math.prod(w.shape) * np.dtype(w.dtype).itemsize for w in weights), len(weights))
    with whole_folder(folder) as temporary, _merged_exactly(task.backbone):
        task.save_to_preset(str(temporary))


def count_parameters(model: keras.Model) -> tuple[int, int]:
    """All weights of a model, and those that training changes."""
    return tuple(sum(math.prod(w.shape) for w in weights) for weights in (model.weights, model.trainable_weights))


@contextlib.contextmanager
def _merged_exactly(backbone: keras_hub.models.GPT2Backbone) -> Iterator[None]:
    """Keras merges in the type of the computation, which would round float32 kernels under mixed_bfloat16."""
    layers = [layer for block in backbone.transformer_layers for layer in dense_layers(block).values()]
    adapted = {layer: layer.dtype_policy for layer in layers if layer.lora_enabled}
    try:
        for layer in adapted:
            layer.dtype_policy = layer.variable_dtype
        yield
    finally:
        for layer, policy in adapted.items():
            layer.dtype_policy = policy


def _chinese_task(shape: Shape, dtype: str, sequence_length: int, plain: BertTokenizer) -> ChineseGPT2CausalLM:
    backbone = ChineseGPT2Backbone(**dataclasses.asdict(shape), dtype=dtype)
    tokenizer = ChineseGPT2Tokenizer(
        plain.vocabulary,
        do_lower_case=plain.do_lower_case,
        strip_accents=plain.strip_accents,
        **_recorded(plain),
    )
    preprocessor = ChineseGPT2CausalLMPreprocessor(tokenizer, sequence_length=sequence_length)
    return ChineseGPT2CausalLM(backbone=backbone, preprocessor=preprocessor)


def _stock_task(shape: Shape, dtype: str, sequence_length: int, plain: BpeTokenizer) -> keras_hub.models.GPT2CausalLM:
    backbone = keras_hub.models.GPT2Backbone(**dataclasses.asdict(shape), dtype=dtype)
    arguments: dict[str, Any] = {
        "vocabulary": plain.token_to_id,
        "merges": [" ".join(pair) for pair in plain.merges],
        "unsplittable_tokens": whole_tokens(plain),
    }
    stock = is_stock(plain)
    build = keras_hub.models.GPT2Tokenizer if stock else GPT2Tokenizer
    tokenizer = build(**arguments, **({} if stock else _recorded(plain)))
    preprocessor = keras_hub.models.GPT2CausalLMPreprocessor(tokenizer, sequence_length=sequence_length)
    return keras_hub.models.GPT2CausalLM(backbone=backbone, preprocessor=preprocessor)


def _recorded(plain: BertTokenizer | BpeTokenizer) -> dict[str, Any]:
    """What our own tokenizer classes keep besides the vocabulary."""
    tokens = {f"{name}_token": token for name, token in dataclasses.asdict(plain.tokens).items()}
    return {"added_tokens": plain.added_tokens, "normalized_tokens": sorted(plain.normalized), **tokens}
