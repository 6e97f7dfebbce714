"""The runtime on the Keras backend: prefill and step compiled once for each shape, a cache for each layer."""

from collections.abc import Callable
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops


class KerasRuntime:
    """A KerasHub GPT-2 as a `Runtime`.

    Args:
        task: its weights are read at each call, so they may be trained between calls.
    """

    def __init__(self, task: keras_hub.models.GPT2CausalLM):
        self._backbone = task.backbone
        self._backbone_dtype = task.backbone.token_embedding.compute_dtype
        self.context = task.backbone.max_sequence_length
        self.vocabulary_size = task.backbone.vocabulary_size
        self.compilations = 0
        self._prefill = self._compiled(self._prefill_program, donated=3)
        self._step = self._compiled(self._step_program, donated=3)

    def prefill(self, token_ids: np.ndarray, length: int, capacity: int) -> tuple[np.ndarray, Any]:
        backbone = self._backbone
        shape = (len(token_ids), 2, capacity, backbone.num_heads, backbone.hidden_dim // backbone.num_heads)
        caches = [ops.zeros(shape, dtype=self._backbone_dtype) for _ in range(backbone.num_layers)]
        logits, caches = self._prefill(token_ids.astype("int32"), np.int32(length - 1), caches)
        return _to_numpy(logits), caches

    def step(self, token_ids: np.ndarray, position: int, cache: Any) -> tuple[np.ndarray, Any]:
        logits, cache = self._step(token_ids.astype("int32")[:, None], np.int32(position), cache)
        return _to_numpy(logits), cache

    def _prefill_program(self, token_ids, last, caches):
        hidden, caches = self._hidden(token_ids, 0, caches)
        # Logits of one position, not of all: the product with the vocabulary is the widest of the network.
        hidden = ops.take(hidden, ops.reshape(last, (1,)), axis=1)
        return self._logits(hidden), caches

    def _step_program(self, token_ids, position, caches):
        hidden, caches = self._hidden(token_ids, position, caches)
        return self._logits(hidden), caches

    def _hidden(self, token_ids, start, caches):
        """The backbone with a cache for each layer; KerasHub's own call keeps one and stacks it anew at each step."""
        backbone = self._backbone
        embedded = backbone.token_embedding(token_ids)
        hidden = backbone.embeddings_add((embedded, backbone.position_embedding(embedded, start_index=start)))
        filled = []
        for layer, cache in zip(backbone.transformer_layers, caches, strict=True):
            hidden, cache = layer(hidden, self_attention_cache=cache, self_attention_cache_update_index=start)
            filled.append(cache)
        return backbone.layer_norm(hidden), filled

    def _logits(self, hidden):
        return ops.cast(ops.squeeze(self._backbone.token_embedding(hidden, reverse=True), axis=1), "float32")

    def _compiled(self, program: Callable, donated: int) -> Callable:
        def counted(*arguments):
            self.compilations += 1  # runs when the backend traces the program, not when it runs it
            return program(*arguments)

        backend = keras.config.backend()
        if backend == "jax":
            return self._compiled_by_jax(counted, donated)
        if backend == "tensorflow":
            import tensorflow as tf

            return tf.function(counted)
        import torch

        return torch.no_grad()(program)

    def _compiled_by_jax(self, program: Callable, donated: int) -> Callable:
        import jax

        variables = self._backbone.variables

        def stateless(values, *arguments):
            # Weights are arguments: as constants they would be compiled into the program, and again after training.
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return program(*arguments)

        compiled = jax.jit(stateless, donate_argnums=donated)
        return lambda *arguments: compiled([variable.value for variable in variables], *arguments)


def _to_numpy(logits: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(logits))
