"""The runtime on the Keras backend: prefill and step compiled once for each shape, a cache for each layer."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops


@dataclasses.dataclass
class _Cache:
    """Keys and values of each layer, each `(rows, heads, capacity, head)`; padding of each row; places filled."""

    layers: list[tuple]
    pads: np.ndarray
    filled: int


class KerasRuntime:
    """A KerasHub GPT-2 as a `Runtime`.

    Args:
        task: its weights are read at each call, so they may be trained between calls.
    """

    static_shapes = True

    def __init__(self, task: keras_hub.models.GPT2CausalLM):
        self._backbone = task.backbone
        self._dtype = task.backbone.token_embedding.compute_dtype
        self.context = task.backbone.max_sequence_length
        self.vocabulary_size = task.backbone.vocabulary_size
        self.compilations = 0
        self._variables: list[keras.Variable] = []

    def prefill(self, token_ids: np.ndarray, pads: np.ndarray, capacity: int) -> tuple[np.ndarray, Any]:
        backbone = self._backbone
        self._follow()
        shape = (len(token_ids), backbone.num_heads, capacity, backbone.hidden_dim // backbone.num_heads)
        layers = [tuple(ops.zeros(shape, dtype=self._dtype) for _ in "kv") for _ in range(backbone.num_layers)]
        return self._run(token_ids, _Cache(layers, pads.astype("int32"), 0))

    def step(self, token_ids: np.ndarray, rows: np.ndarray, cache: _Cache) -> tuple[np.ndarray, Any]:
        if not np.array_equal(rows, np.arange(len(cache.pads))):
            layers = [tuple(ops.take(part, rows, axis=0) for part in layer) for layer in cache.layers]
            cache = _Cache(layers, cache.pads[rows], cache.filled)
        return self._run(token_ids[:, None], cache)

    def logits(self, token_ids: np.ndarray, pads: np.ndarray) -> np.ndarray:
        backbone = self._backbone
        width = token_ids.shape[1]
        # KerasHub counts positions from the first place, so the padding goes to the right, and back again.
        shifted = np.stack([np.roll(row, -pad) for row, pad in zip(token_ids, pads, strict=True)]).astype("int32")
        mask = (np.arange(width)[None] < width - pads[:, None]).astype("int32")
        hidden = backbone({"token_ids": shifted, "padding_mask": mask})
        logits = ops.convert_to_numpy(ops.cast(backbone.token_embedding(hidden, reverse=True), "float32"))
        return np.stack([np.roll(row, pad, axis=0) for row, pad in zip(logits, pads, strict=True)])

    def _run(self, token_ids: np.ndarray, cache: _Cache) -> tuple[np.ndarray, _Cache]:
        start = np.int32(cache.filled)
        ids, pads = ops.convert_to_tensor(token_ids, "int32"), ops.convert_to_tensor(cache.pads)
        logits, layers = self._compiled(ids, pads, start, cache.layers)
        return np.asarray(ops.convert_to_numpy(logits)), _Cache(layers, cache.pads, cache.filled + token_ids.shape[1])

    def _program(self, token_ids, pads, start, layers):
        """Logits of the last place, and the cache with these tokens in it; `start` is the first place they fill."""
        backbone = self._backbone
        places = start + ops.arange(token_ids.shape[1], dtype="int32")
        # A row that has come to its end is fed on with its batch, and nobody reads it: any position will do.
        positions = ops.clip(places[None] - pads[:, None], 0, self.context - 1)
        keys = ops.arange(layers[0][0].shape[2], dtype="int32")
        seen = ops.logical_and(keys[None, None] <= places[None, :, None], keys[None, None] >= pads[:, None, None])
        # A padding place sees itself: a softmax over nothing would be NaN, and NaN spreads.
        seen = ops.logical_or(seen, keys[None, None] == places[None, :, None])
        mask = ops.where(seen, 0.0, -1e30 if self._dtype != "float16" else -6e4)[:, None]
        hidden = backbone.token_embedding(token_ids)
        hidden = hidden + ops.cast(ops.take(backbone.position_embedding.position_embeddings, positions, 0), self._dtype)
        filled = []
        for layer, cache in zip(backbone.transformer_layers, layers, strict=True):
            hidden, cache = self._block(layer, hidden, cache, start, ops.cast(mask, self._dtype))
            filled.append(cache)
        hidden = backbone.layer_norm(hidden[:, -1:])
        logits = backbone.token_embedding(hidden, reverse=True)
        return ops.cast(ops.squeeze(logits, axis=1), "float32"), filled

    def _block(self, layer, hidden, cache, start, mask):
        """A block of the network over its own layers; KerasHub's call stacks one cache of all blocks at each step."""
        attention = layer._self_attention_layer
        normed = layer._self_attention_layer_norm(hidden)
        query, new_key, new_value = (
            ops.transpose(part(normed), (0, 2, 1, 3))
            for part in (attention.query_dense, attention.key_dense, attention.value_dense)
        )
        key, value = (
            ops.slice_update(old, (0, 0, start, 0), new) for old, new in zip(cache, (new_key, new_value), strict=True)
        )
        scores = ops.einsum("bhqd,bhkd->bhqk", query, key) / query.shape[-1] ** 0.5
        mixed = ops.einsum("bhqk,bhkd->bhqd", ops.softmax(scores + mask), value)
        hidden = hidden + attention.output_dense(ops.transpose(mixed, (0, 2, 1, 3)))
        inner = layer._feedforward_intermediate_dense(layer._feedforward_layer_norm(hidden))
        return hidden + layer._feedforward_output_dense(inner), (key, value)

    def _follow(self) -> None:
        """Compiles anew where the network has other variables than before, such as those of LoRA."""
        variables = self._backbone.variables
        if list(map(id, variables)) != list(map(id, self._variables)):
            self._variables = variables
            self._compiled = self._compile(self._program, donated=4)

    def _compile(self, program: Callable, donated: int) -> Callable:
        def counted(*arguments):
            self.compilations += 1  # runs when the backend traces the program, not when it runs it
            return program(*arguments)

        backend = keras.config.backend()
        if backend == "jax":
            return self._compile_by_jax(counted, donated)
        if backend == "tensorflow":
            import tensorflow as tf

            return tf.function(counted)
        import torch

        return torch.no_grad()(program)

    def _compile_by_jax(self, program: Callable, donated: int) -> Callable:
        import jax

        variables = self._variables

        def stateless(values, *arguments):
            # Weights are arguments: as constants they would be compiled into the program, and again after training.
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return program(*arguments)

        compiled = jax.jit(stateless, donate_argnums=donated)
        return lambda *arguments: compiled([variable.value for variable in variables], *arguments)
