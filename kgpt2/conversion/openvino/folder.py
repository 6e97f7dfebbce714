"""A folder that OpenVINO's own tools run: the graph as IR, and the description and tokenizer of transformers beside it.

The graph has the inputs and the cache that optimum-intel gives a stateful causal language model, and that
openvino-genai asks for. Sources: optimum-intel's `OVModelForCausalLM` and `patch_stateful`; of the runtime options in
an IR, https://docs.openvino.ai ("runtime_options").
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.shape import Shape
from kgpt2.conversion.openvino.library import Type, op, ov
from kgpt2.conversion.openvino.network import Network, ints, parameter
from kgpt2.conversion.transformers import write_description

_CACHE = ("past_key_values.{0}.keypresent.{0}.key", "past_key_values.{0}.valuepresent.{0}.value")
# What the CPU plugin would otherwise save at the cost of other logits: the cache and int8 activations.
_EXACT = {"KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
_HIDDEN = np.float32(np.finfo(np.float32).min)


def write_openvino(
    folder: Path,
    checkpoint: Checkpoint,
    dtypes: Mapping[str, np.dtype],
    arrays: Iterator[tuple[str, np.ndarray]],
) -> None:
    """Writes openvino_model.xml and .bin, config.json, generation_config.json and the tokenizer's files.

    The graph holds the whole model in memory before it is written.

    Args:
        folder: an empty folder.
        checkpoint: shape and tokenizer.
        dtypes: of the tensors; int8 where a matrix is to be kept as small integers with a scale for each output.
        arrays: names and float values, in the order of `Shape.tensors`.
    """
    write_description(folder, checkpoint)
    weights = "int8" if np.dtype(np.int8) in dtypes.values() else "stored"
    graph = stateful_graph(checkpoint.shape, dict(arrays), weights)
    ov.save_model(graph, folder / "openvino_model.xml", compress_to_fp16=False)


def stateful_graph(shape: Shape, arrays: Mapping[str, np.ndarray], weights: str) -> ov.Model:
    """The network as a stateful causal language model.

    Inputs: `input_ids` and `position_ids` int64 `(rows, length)`; `attention_mask` int64 `(rows, cached + length)`, 0
    where padding is; `beam_idx` int32 `(rows,)`, the row of the call before that each row goes on with. Output:
    `logits`, float32 `(rows, length, vocabulary)`. A new text begins with a new request, or `reset_state`.

    Args:
        shape: the network.
        arrays: the tensors of `Shape.tensors`.
        weights: how matrices are kept, as `Network` has it.
    """
    input_ids = parameter("input_ids", [-1, -1], Type.i64)
    attention_mask = parameter("attention_mask", [-1, -1], Type.i64)
    position_ids = parameter("position_ids", [-1, -1], Type.i64)
    beam_idx = parameter("beam_idx", [-1], Type.i32)
    network = Network(shape, arrays, weights, _CACHE)
    hidden = network.hidden(input_ids, position_ids, _mask(input_ids, attention_mask), beam_idx)
    logits = op.result(network.logits(hidden))
    logits.output(0).set_names({"logits"})
    graph = ov.Model([logits], network.assigned, [input_ids, attention_mask, position_ids, beam_idx], "gpt2")
    for name, value in _EXACT.items():
        graph.set_rt_info(value, ["runtime_options", name])
    return graph


def _mask(input_ids: Any, attention_mask: Any) -> Any:
    """What each place may look at, added to the scores: itself and what lies before it, but no padding.

    `(rows, length)` and `(rows, keys)` to float32 `(rows, 1, length, keys)`.
    """
    length, count = _size(input_ids), _size(attention_mask)
    zero, one = ints(0), ints(1)
    keys = op.range(zero, count, one, "i64")
    places = op.unsqueeze(op.add(op.range(zero, length, one, "i64"), op.subtract(count, length)), one)
    known = op.not_equal(op.unsqueeze(attention_mask, ints([1, 2])), zero)
    seen = op.logical_and(op.less_equal(keys, places), known)
    # A padding place sees itself: a softmax over nothing would be NaN.
    seen = op.logical_or(seen, op.equal(keys, places))
    return op.select(seen, op.constant(np.float32(0)), op.constant(_HIDDEN))


def _size(ids: Any) -> Any:
    """The number of columns, a scalar."""
    return op.gather(op.shape_of(ids), ints(1), ints(0))
