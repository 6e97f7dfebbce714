"""GPT-2 as an OpenVINO graph that keeps its own key-value cache.

The cache is a variable of the graph: each call appends to it, and `rows` says which row of the last call each row of
this one continues, so that rows can leave a batch, be doubled or be reordered at no cost of their own.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kgpt2.checkpoints.shape import Shape
from kgpt2.generation.openvino.library import Type, op, ov

GROUP = 64  # weights that share a scale in int4
# Part of the key of a compiled model in the cache: another number for every graph that differs from the last one.
REVISION = 1


def build_graph(shape: Shape, arrays: Mapping[str, np.ndarray], weights: str) -> ov.Model:
    """The network with its weights.

    Inputs: `token_ids` and `positions` int32 `(rows, length)`; `mask` float32 `(rows, 1, length, cached + length)`,
    added to the attention scores; `rows` int32 `(rows,)`, rows of the call before; `tail` int32 `(1,)`, how many last
    positions are wanted. Output: logits, float32 `(rows, tail, vocabulary)`.

    Args:
        shape: the network.
        arrays: the tensors of `Shape.tensors`.
        weights: how matrices are kept: float32, int8 (a scale for each output) or int4 (a scale and an offset for each
            `GROUP` inputs; embedding and output layer int8).
    """
    return _Builder(shape, arrays, weights).model()


class _Builder:
    def __init__(self, shape: Shape, arrays: Mapping[str, np.ndarray], weights: str):
        self.shape, self.arrays, self.weights = shape, arrays, weights
        self.heads, self.head = shape.num_heads, shape.hidden_dim // shape.num_heads

    def model(self) -> ov.Model:
        shape = self.shape
        token_ids = _input("token_ids", [-1, -1], Type.i32)
        positions = _input("positions", [-1, -1], Type.i32)
        mask = _input("mask", [-1, 1, -1, -1], Type.f32)
        rows = _input("rows", [-1], Type.i32)
        tail = _input("tail", [1], Type.i32)
        count = op.gather(op.shape_of(rows), _ints([0]), _ints(0))
        self.empty = op.broadcast(_floats(0.0), op.concat([count, _ints([self.heads, 0, self.head])], 0))
        self.rows, self.mask = rows, mask
        self.assigned: list[ov.Node] = []

        embedding = self._matrix(self.arrays["wte.weight"], "int8" if self.weights == "int4" else self.weights)
        hidden = op.gather(embedding, token_ids, _ints(0))
        hidden = op.add(hidden, op.gather(_floats(self.arrays["wpe.weight"]), positions, _ints(0)))
        for block in range(shape.num_layers):
            hidden = op.add(hidden, self._attention(self._norm(hidden, f"h.{block}.ln_1"), block))
            hidden = op.add(hidden, self._feed_forward(self._norm(hidden, f"h.{block}.ln_2"), block))
        # Logits of the positions asked for alone: the product with the vocabulary is the widest of the network.
        start = op.multiply(tail, op.constant(np.array([-1], np.int32)))
        stop, one = op.constant(np.array([2**31 - 1], np.int32)), op.constant(np.array([1], np.int32))
        hidden = op.slice(hidden, start, stop, one, one)
        logits = op.matmul(self._norm(hidden, "ln_f"), embedding, False, True)
        return ov.Model([op.result(logits)], self.assigned, [token_ids, positions, mask, rows, tail], "gpt2")

    def _attention(self, hidden: Any, block: int) -> Any:
        projected = op.split(self._linear(hidden, f"h.{block}.attn.c_attn"), _ints(2), 3)
        query, key, value = (self._by_head(projected.output(index)) for index in range(3))
        key, value = self._cached(key, f"key{block}"), self._cached(value, f"value{block}")
        mixed = op.scaled_dot_product_attention(query, key, value, self.mask)
        mixed = op.reshape(op.transpose(mixed, _ints([0, 2, 1, 3])), _ints([0, 0, self.shape.hidden_dim]), True)
        return self._linear(mixed, f"h.{block}.attn.c_proj")

    def _feed_forward(self, hidden: Any, block: int) -> Any:
        inner = op.gelu(self._linear(hidden, f"h.{block}.mlp.c_fc"), "tanh")
        return self._linear(inner, f"h.{block}.mlp.c_proj")

    def _by_head(self, projected: Any) -> Any:
        """(rows, length, width) to (rows, heads, length, width of a head)."""
        return op.transpose(op.reshape(projected, _ints([0, 0, self.heads, self.head]), True), _ints([0, 2, 1, 3]))

    def _cached(self, new: Any, name: str) -> Any:
        """What the cache holds for these rows, and the new positions behind it."""
        info = ov.op.util.VariableInfo()
        info.data_shape = ov.PartialShape([-1, self.heads, -1, self.head])
        info.data_type, info.variable_id = Type.f32, name
        variable = ov.op.util.Variable(info)
        old = op.gather(op.read_value(self.empty, variable), self.rows, _ints(0))
        whole = op.concat([old, new], 2)
        self.assigned.append(op.assign(whole, variable))
        return whole

    def _norm(self, hidden: Any, name: str) -> Any:
        normed = op.mvn(hidden, _ints([-1]), True, 1e-5, "INSIDE_SQRT")
        scale, shift = self.arrays[f"{name}.weight"], self.arrays[f"{name}.bias"]
        return op.add(op.multiply(normed, _floats(scale)), _floats(shift))

    def _linear(self, hidden: Any, name: str) -> Any:
        matrix = self._matrix(self.arrays[f"{name}.weight"].T, self.weights)
        return op.add(op.matmul(hidden, matrix, False, True), _floats(self.arrays[f"{name}.bias"]))

    def _matrix(self, array: np.ndarray, weights: str) -> Any:
        """A matrix `(out, in)` as the graph keeps it; the plugin multiplies with the small integers as they are."""
        array = np.ascontiguousarray(array, np.float32)
        if weights == "int8":
            values, scale = quantize_int8(array)
            return op.multiply(op.convert(op.constant(values), Type.f32), _floats(scale))
        if weights == "int4" and array.shape[1] % GROUP == 0:
            values, offset, scale = quantize_int4(array)
            packed, zero = (op.convert(_u4(part), Type.f32) for part in (values, offset))
            grouped = op.multiply(op.subtract(packed, zero), _floats(scale))
            return op.reshape(grouped, _ints(array.shape), False)
        return _floats(array)


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


def _u4(values: np.ndarray) -> Any:
    """A constant of type u4: two values a byte, the first in the low half."""
    flat = values.reshape(-1)
    flat = np.append(flat, np.zeros(flat.size % 2, np.uint8))
    tensor = ov.Tensor(Type.u4, ov.Shape(values.shape))
    tensor.data[:] = (flat[0::2] | (flat[1::2] << 4)).reshape(tensor.data.shape)
    return op.constant(tensor)


def _input(name: str, shape: list[int], kind: Type) -> Any:
    parameter = op.parameter(shape, kind, name=name)
    parameter.output(0).set_names({name})
    return parameter


def _ints(value: Any) -> Any:
    return op.constant(np.asarray(value, np.int64))


def _floats(value: Any) -> Any:
    return op.constant(np.ascontiguousarray(value, np.float32))
