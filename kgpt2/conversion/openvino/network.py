"""GPT-2 as OpenVINO computes it, and how a graph keeps its weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kgpt2.checkpoints.shape import Shape
from kgpt2.conversion.openvino.library import Type, op, ov

GROUP = 64  # weights that share a scale in int4


class Network:
    """GPT-2 with a key-value cache that is a variable of the graph: each call appends to it.

    Args:
        shape: the network.
        arrays: the tensors of `Shape.tensors`.
        weights: how matrices are kept: float32, stored (as the arrays are), int8 (a scale for each output) or int4 (a
            scale and an offset for each `GROUP` inputs; embedding and output layer int8).
        cache: names of the variables of a block's keys and values, with a place for its number.
        pieces: that each matrix of a block is multiplied in, one after the other.

    Attributes:
        assigned: what writes the cache; a graph names it among its sinks.
    """

    def __init__(
        self,
        shape: Shape,
        arrays: Mapping[str, np.ndarray],
        weights: str,
        cache: tuple[str, str] = ("key{}", "value{}"),
        pieces: int = 1,
    ):
        self.assigned: list[ov.Node] = []
        self._shape, self._arrays, self._weights, self._cache, self._pieces = shape, arrays, weights, cache, pieces
        self._heads, self._head = shape.num_heads, shape.hidden_dim // shape.num_heads
        self._embedding = self._matrix(arrays["wte.weight"], "int8" if weights == "int4" else weights)

    def hidden(self, token_ids: Any, positions: Any, mask: Any, rows: Any) -> Any:
        """What the blocks make of tokens: float32 `(rows, length, width)`.

        Args:
            token_ids: integers `(rows, length)`.
            positions: integers `(rows, length)`.
            mask: float32 `(rows, 1, length, cached + length)`, added to the attention scores.
            rows: integers `(rows,)`: the row of the call before that each row goes on with.
        """
        count = op.gather(op.shape_of(rows), ints([0]), ints(0))
        empty = op.broadcast(floats(0.0), op.concat([count, ints([self._heads, 0, self._head])], 0))
        places = op.gather(self._floats(self._arrays["wpe.weight"]), positions, ints(0))
        hidden = op.add(op.gather(self._embedding, token_ids, ints(0)), places)
        for block in range(self._shape.num_layers):
            query, *new = self._projected(self._norm(hidden, f"h.{block}.ln_1"), block)
            key, value = (
                self._cached(part, empty, rows, name.format(block)) for part, name in zip(new, self._cache, strict=True)
            )
            hidden = op.add(hidden, self._attended(query, key, value, mask, block))
            hidden = op.add(hidden, self._feed_forward(self._norm(hidden, f"h.{block}.ln_2"), block))
        return hidden

    def logits(self, hidden: Any) -> Any:
        """Logits, float32 `(rows, length, vocabulary)`."""
        return op.matmul(self._norm(hidden, "ln_f"), self._embedding, False, True)

    def _projected(self, hidden: Any, block: int) -> list[Any]:
        """Query, key and value: `(rows, heads, length, width of a head)` each."""
        parts = op.split(self._linear(hidden, f"h.{block}.attn.c_attn"), ints(2), 3)
        by_head, turned = ints([0, 0, self._heads, self._head]), ints([0, 2, 1, 3])
        return [op.transpose(op.reshape(parts.output(part), by_head, True), turned) for part in range(3)]

    def _cached(self, new: Any, empty: Any, rows: Any, name: str) -> Any:
        """What the cache holds for these rows, and the new positions behind it."""
        info = ov.op.util.VariableInfo()
        info.data_shape = ov.PartialShape([-1, self._heads, -1, self._head])
        info.data_type, info.variable_id = Type.f32, name
        variable = ov.op.util.Variable(info)
        old = op.gather(op.read_value(empty, variable), rows, ints(0))
        whole = op.concat([old, new], 2)
        self.assigned.append(op.assign(whole, variable))
        return whole

    def _attended(self, query: Any, key: Any, value: Any, mask: Any, block: int) -> Any:
        mixed = op.scaled_dot_product_attention(query, key, value, mask)
        mixed = op.reshape(op.transpose(mixed, ints([0, 2, 1, 3])), ints([0, 0, self._shape.hidden_dim]), True)
        return self._linear(mixed, f"h.{block}.attn.c_proj")

    def _feed_forward(self, hidden: Any, block: int) -> Any:
        inner = op.gelu(self._linear(hidden, f"h.{block}.mlp.c_fc"), "tanh")
        return self._linear(inner, f"h.{block}.mlp.c_proj")

    def _norm(self, hidden: Any, name: str) -> Any:
        normed = op.mvn(hidden, ints([-1]), True, 1e-5, "INSIDE_SQRT")
        scale, shift = self._arrays[f"{name}.weight"], self._arrays[f"{name}.bias"]
        return op.add(op.multiply(normed, self._floats(scale)), self._floats(shift))

    def _linear(self, hidden: Any, name: str) -> Any:
        pieces = np.array_split(self._arrays[f"{name}.weight"].T, self._pieces)
        products = [op.matmul(hidden, self._matrix(piece, self._weights), False, True) for piece in pieces]
        product = op.concat(products, -1) if len(products) > 1 else products[0]
        return op.add(product, self._floats(self._arrays[f"{name}.bias"]))

    def _floats(self, array: np.ndarray) -> Any:
        return _stored(array) if self._weights == "stored" else floats(array)

    def _matrix(self, array: np.ndarray, weights: str) -> Any:
        """A matrix `(out, in)` as the graph keeps it; the plugin multiplies with the small integers as they are."""
        if weights == "stored":
            return _stored(array)
        array = np.ascontiguousarray(array, np.float32)
        if weights == "int8":
            values, scale = quantize_int8(array)
            return op.multiply(op.convert(op.constant(values), Type.f32), floats(scale))
        if weights == "int4" and array.shape[1] % GROUP == 0:
            values, offset, scale = quantize_int4(array)
            packed, zero = (op.convert(_u4(part), Type.f32) for part in (values, offset))
            grouped = op.multiply(op.subtract(packed, zero), floats(scale))
            return op.reshape(grouped, ints(array.shape), False)
        return floats(array)


def quantize_int8(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric int8 `(out, in)` with one scale for each row, float32 `(out, 1)`: array ≈ values x scale."""
    scale = np.maximum(np.abs(array).max(axis=1, keepdims=True) / 127, 1e-12).astype(np.float32)
    return np.rint(array / scale).astype(np.int8), scale


def quantize_int4(array: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values 0 to 15 `(out, groups, GROUP)`, offset and scale `(out, groups, 1)`: array ≈ (values - offset) x scale."""
    groups = array.reshape(len(array), -1, GROUP)
    low = np.minimum(groups.min(axis=-1, keepdims=True), 0)
    high = np.maximum(groups.max(axis=-1, keepdims=True), 0)
    scale = np.maximum((high - low) / 15, 1e-12).astype(np.float32)
    offset = np.clip(np.rint(-low / scale), 0, 15)
    values = np.clip(np.rint(groups / scale) + offset, 0, 15)
    return values.astype(np.uint8), offset.astype(np.uint8), scale


def parameter(name: str, shape: list[int], kind: Type) -> Any:
    """An input of a graph; -1 is any size."""
    made = op.parameter(shape, kind, name=name)
    made.output(0).set_names({name})
    return made


def ints(value: Any) -> Any:
    """A constant int64."""
    return op.constant(np.asarray(value, np.int64))


def floats(value: Any) -> Any:
    """A constant float32."""
    return op.constant(np.ascontiguousarray(value, np.float32))


def _stored(array: np.ndarray) -> Any:
    """A constant in the array's own float type, computed with in float32."""
    array = np.ascontiguousarray(array)
    if array.dtype == np.float32:
        return op.constant(array)
    if array.dtype == np.float16:
        return op.convert(op.constant(array), Type.f32)
    tensor = ov.Tensor(Type.bf16, ov.Shape(array.shape))  # its own memory: a view of the array would not outlive it
    tensor.data.view(np.uint16)[:] = array.view(np.uint16)
    return op.convert(op.constant(tensor), Type.f32)


def _u4(values: np.ndarray) -> Any:
    """A constant of type u4: two values a byte, the first in the low half."""
    flat = values.reshape(-1)
    flat = np.append(flat, np.zeros(flat.size % 2, np.uint8))
    tensor = ov.Tensor(Type.u4, ov.Shape(values.shape))
    tensor.data[:] = (flat[0::2] | (flat[1::2] << 4)).reshape(tensor.data.shape)
    return op.constant(tensor)
