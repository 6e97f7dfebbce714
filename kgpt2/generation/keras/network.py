"""GPT-2 as decoding computes it on the Keras backend: pure functions of weights, tokens and a cache for each layer.

KerasHub's own call stacks one cache of all layers at each step and looks at all of its places from the first step on.
"""

from collections.abc import Sequence
from typing import Any

import keras_hub
import numpy as np
from keras import ops

from kgpt2.models.backend import Tensor, accelerated

# A key and a value for each layer, each `(rows, heads, capacity, head)`.
Cache = list[tuple[Tensor, Tensor]]
Weights = dict[str, Any]
_HIDDEN = -1e30


class Network:
    """The numbers that the functions need besides weights.

    Args:
        backbone: its layers are read, never called.
        prompt_ids: of a tuned prompt; no text holds them.
    """

    def __init__(self, backbone: keras_hub.models.GPT2Backbone, prompt_ids: Sequence[int] = ()) -> None:
        self._backbone = backbone
        self._no_target = np.isin(np.arange(backbone.vocabulary_size), prompt_ids) if prompt_ids else None
        self.context, self.vocabulary_size = backbone.max_sequence_length, backbone.vocabulary_size
        self.dtype = backbone.token_embedding.compute_dtype
        self._heads, self._head = backbone.num_heads, backbone.hidden_dim // backbone.num_heads
        self._epsilon = backbone.layer_norm.epsilon
        self._one_by_one = accelerated()

    def weights(self) -> Weights:
        """The weights as the products want them: in the type of the computation, query, key and value under each other.

        Kernels are `(out, in)`, biases `(out, 1)`.
        """
        backbone = self._backbone

        def dense(*layers: Tensor) -> Tensor:
            biases = [ops.reshape(ops.cast(layer.bias, self.dtype), (-1,)) for layer in layers]
            kernels = [
                ops.reshape(ops.cast(layer.kernel, self.dtype), (-1, bias.shape[0]))
                for layer, bias in zip(layers, biases, strict=True)
            ]
            return tuple(ops.transpose(ops.concatenate(part, axis=-1)) for part in (kernels, [b[None] for b in biases]))

        def norm(layer: Tensor) -> Tensor:
            return ops.cast(layer.gamma, "float32")[:, None], ops.cast(layer.beta, "float32")[:, None]

        layers = []
        for block in backbone.transformer_layers:
            attention = block._self_attention_layer
            layers.append(
                {
                    "attention_norm": norm(block._self_attention_layer_norm),
                    "projections": dense(attention.query_dense, attention.key_dense, attention.value_dense),
                    "attention_output": dense(attention.output_dense),
                    "feedforward_norm": norm(block._feedforward_layer_norm),
                    "intermediate": dense(block._feedforward_intermediate_dense),
                    "output": dense(block._feedforward_output_dense),
                }
            )
        return {
            "tokens": ops.cast(backbone.token_embedding.embeddings, self.dtype),
            "positions": ops.cast(backbone.position_embedding.position_embeddings, self.dtype),
            "layers": layers,
            "norm": norm(backbone.layer_norm),
        }

    def prefill(self, weights: Weights, token_ids: Tensor, pads: Tensor, capacity: int) -> tuple[Tensor, Cache]:
        """Reads prompts.

        Args:
            weights: of `weights`.
            token_ids: int32 `(rows, width)`, padded on the left.
            pads: int32 `(rows,)`, the padding of each row.
            capacity: places of the cache.

        Returns:
            Logits of the last place, float32 `(rows, vocabulary)`, and the cache.
        """
        width = token_ids.shape[1]
        places = ops.arange(width, dtype="int32")
        seen = ops.logical_and(places[None] <= places[:, None], places[None, None] >= pads[:, None, None])
        # A padding place sees itself: a softmax over nothing would be NaN, and NaN spreads.
        seen = ops.logical_or(seen, places[None] == places[:, None])
        empty = [(None, None)] * len(weights["layers"])
        logits, cache = self._forward(weights, token_ids, places[None] - pads[:, None], seen, empty, None)
        room = ((0, 0), (0, 0), (0, capacity - width), (0, 0))
        return logits, [tuple(ops.pad(part, room) for part in layer) for layer in cache]

    def step(self, weights: Weights, tokens: Tensor, pads: Tensor, place: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """Reads one token a row.

        Args:
            weights: of `weights`.
            tokens: int32 `(rows,)`.
            pads: int32 `(rows,)`.
            place: int32 `()`, the first free place of the cache.
            cache: of the last call.

        Returns:
            As `prefill`.
        """
        keys = ops.arange(cache[0][0].shape[2], dtype="int32")
        seen = ops.logical_and(keys[None] <= place, keys[None] >= pads[:, None])
        # A row that has come to its end is fed on with its batch, and nobody reads it: any position will do.
        positions = ops.clip(place - pads, 0, self.context - 1)
        return self._forward(weights, tokens[:, None], positions[:, None], seen[:, None], cache, place)

    def _forward(
        self, weights: Weights, token_ids: Tensor, positions: Tensor, seen: Tensor, cache: Sequence[Any], place: Tensor
    ) -> tuple[Tensor, Cache]:
        # Activations are columns, `(width, rows * length)`: XLA on a CPU multiplies few columns nearly twice as fast as
        # few rows.
        rows, length = token_ids.shape
        mask = ops.where(seen, 0.0, _HIDDEN)[:, None]
        hidden = ops.take(weights["tokens"], token_ids, axis=0)
        hidden = hidden + ops.take(weights["positions"], ops.maximum(positions, 0), axis=0)
        hidden = ops.transpose(ops.reshape(hidden, (rows * length, -1)))
        filled = []
        for block, layer, cached in zip(self._backbone.transformer_layers, weights["layers"], cache, strict=True):
            projections = _dense(self._norm(hidden, layer["attention_norm"]), layer["projections"])
            mixed, cached = self._attention(projections, rows, mask, cached, place)
            hidden = hidden + _dense(mixed, layer["attention_output"])
            inner = _dense(self._norm(hidden, layer["feedforward_norm"]), layer["intermediate"])
            hidden = hidden + _dense(block._feedforward_intermediate_dense.activation(inner), layer["output"])
            filled.append(cached)
        last = self._norm(ops.reshape(hidden, (-1, rows, length))[:, :, -1], weights["norm"])
        return self.without_prompt(ops.transpose(ops.matmul(weights["tokens"], last))), filled

    def without_prompt(self, logits: Tensor) -> Tensor:
        """Logits in float32, those of a tuned prompt's tokens minus infinity."""
        logits = ops.cast(logits, "float32")
        return logits if self._no_target is None else ops.where(self._no_target, -np.inf, logits)

    def _attention(
        self, projections: Tensor, rows: int, mask: Tensor, cached: tuple[Tensor, Tensor], place: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        parts = ops.reshape(projections, (3, self._heads, self._head, rows, -1))
        query, *new = (ops.transpose(parts[part], (2, 0, 3, 1)) for part in range(3))
        if place is not None:
            new = [ops.slice_update(old, (0, 0, place, 0), one) for old, one in zip(cached, new, strict=True)]
        key, value = new
        if place is not None and self._one_by_one:
            return self._attention_of_one(query, key, value, mask), (key, value)
        scores = ops.cast(ops.einsum("rhqd,rhkd->rhqk", query, key), "float32") / np.sqrt(self._head, dtype="float32")
        shares = ops.cast(ops.softmax(scores + mask), self.dtype)
        mixed = ops.transpose(ops.einsum("rhqk,rhkd->rhqd", shares, value), (1, 3, 0, 2))
        return ops.reshape(mixed, (self._heads * self._head, -1)), (key, value)

    def _attention_of_one(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """For a single new place: products and sums, which an accelerator fuses, in place of two batched products."""
        scores = ops.sum(ops.cast(query, "float32") * ops.cast(key, "float32"), axis=-1)
        shares = ops.softmax(scores / np.sqrt(self._head, dtype="float32") + mask[:, :, 0])
        mixed = ops.sum(shares[..., None] * ops.cast(value, "float32"), axis=2)
        return ops.reshape(ops.transpose(ops.cast(mixed, self.dtype), (1, 2, 0)), (self._heads * self._head, -1))

    def _norm(self, hidden: Tensor, parameters: Tensor) -> Tensor:
        gamma, beta = parameters
        hidden = ops.cast(hidden, "float32")
        mean, variance = ops.moments(hidden, axes=0, keepdims=True)
        return ops.cast((hidden - mean) / ops.sqrt(variance + self._epsilon) * gamma + beta, self.dtype)


def _dense(inputs: Tensor, parameters: Tensor) -> Tensor:
    kernel, bias = parameters
    return ops.matmul(kernel, inputs) + bias
