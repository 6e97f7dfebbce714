"""GPT-2 as an OpenVINO graph that keeps its own key-value cache.

The cache is a variable of the graph: each call appends to it, and `rows` says which row of the last call each row of
this one continues, so that rows can leave a batch, be doubled or be reordered at no cost of their own.
"""

from collections.abc import Mapping

import numpy as np

from kgpt2.checkpoints.shape import Shape
from kgpt2.conversion.openvino.library import Type, op, ov
from kgpt2.conversion.openvino.network import Network, parameter

# Part of the key of a compiled model in the cache: another number for every graph that differs from the last one.
REVISION = 1


def build_graph(shape: Shape, arrays: Mapping[str, np.ndarray], weights: str, pieces: int = 1) -> ov.Model:
    """The network with its weights.

    Inputs: `token_ids` and `positions` int32 `(rows, length)`; `mask` float32 `(rows, 1, length, cached + length)`,
    added to the attention scores; `rows` int32 `(rows,)`, rows of the call before; `tail` int32 `(1,)`, how many last
    positions are wanted. Output: logits, float32 `(rows, tail, vocabulary)`.

    Args:
        shape: the network.
        arrays: the tensors of `Shape.tensors`.
        weights, pieces: how matrices are kept and multiplied, as `Network` has it.
    """
    token_ids = parameter("token_ids", [-1, -1], Type.i32)
    positions = parameter("positions", [-1, -1], Type.i32)
    mask = parameter("mask", [-1, 1, -1, -1], Type.f32)
    rows = parameter("rows", [-1], Type.i32)
    tail = parameter("tail", [1], Type.i32)
    network = Network(shape, arrays, weights, pieces=pieces)
    hidden = network.hidden(token_ids, positions, mask, rows)
    # Logits of the positions asked for alone: the product with the vocabulary is the widest of the network.
    start = op.multiply(tail, op.constant(np.array([-1], np.int32)))
    stop, one = op.constant(np.array([2**31 - 1], np.int32)), op.constant(np.array([1], np.int32))
    logits = network.logits(op.slice(hidden, start, stop, one, one))
    return ov.Model([op.result(logits)], network.assigned, [token_ids, positions, mask, rows, tail], "gpt2")
