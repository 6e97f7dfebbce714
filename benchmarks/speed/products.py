"""What bounds the OpenVINO runtime: matrix products in the forms that a graph can give them, and a step node by node.

Twelve feed-forward layers of GPT-2 base (768 to 3,072 and back, weights all different), as fully connected layers, with
weights in the other order, in halves, as 1x1 convolutions, with operands exchanged, and (32 rows) as two streams of 16;
beside a large product of NumPy. With one row the weights that are read a second say more. With a model, how long the
kinds of nodes of its graph take in a step.

    python -m benchmarks.speed.products --rows 32
    python -m benchmarks.speed.products --rows 1 [--model FOLDER --weights int8]
"""

import argparse
import collections
import json
import os
import platform
import statistics
import time

import numpy as np
import openvino as ov
from openvino import Type
from openvino import opset15 as op

LAYERS, WIDTH, INNER = 12, 768, 3072
FORMS = ("connected", "plain", "halves", "convolution", "exchanged")
THREADS = os.cpu_count() or 1
SETTINGS = {"INFERENCE_NUM_THREADS": str(THREADS), "INFERENCE_PRECISION_HINT": "f32"}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model")
    parser.add_argument("--weights", default="float32", choices=["float32", "int8", "int4"])
    parser.add_argument("--rows", type=int, default=1)
    options = parser.parse_args()
    report = {"machine": f"{platform.machine()}, {THREADS} cores"}
    if options.model:
        report |= nodes(options.model, options.weights, options.rows)
    else:
        forms = FORMS if options.rows % 2 else (*FORMS, "streams")
        took = {form: step(form, options.rows) for form in forms}
        weights = 2 * LAYERS * WIDTH * INNER
        report["rows"] = options.rows
        report["gflops"] = {form: round(2 * options.rows * weights / time / 1e9, 1) for form, time in took.items()}
        report["weights_gb_per_second"] = {form: round(4 * weights / time / 1e9, 1) for form, time in took.items()}
        report["gflops"]["large product"] = round(large_product(), 1)
    print(json.dumps(report, indent=2))


def step(form: str, rows: int) -> float:
    """Seconds of the layers in one form."""
    rng = np.random.default_rng(0)
    shape = {"convolution": [1, WIDTH, 1, -1], "exchanged": [WIDTH, -1]}.get(form, [-1, WIDTH])
    parameter = op.parameter(shape, Type.f32)
    hidden = parameter
    for _ in range(LAYERS):
        for inputs, outputs in ((WIDTH, INNER), (INNER, WIDTH)):
            hidden = product(form, hidden, (rng.standard_normal((outputs, inputs)) * 0.02).astype(np.float32))
            hidden = op.relu(hidden) if outputs == INNER else hidden
    streams = 2 if form == "streams" else 1
    compiled = ov.Core().compile_model(
        ov.Model([op.result(hidden)], [parameter], form), "CPU", {**SETTINGS, "NUM_STREAMS": str(streams)}
    )
    array = rng.standard_normal([rows // streams if size < 0 else size for size in shape]).astype(np.float32)
    requests = [compiled.create_infer_request() for _ in range(streams)]

    def run():
        for request in requests:
            request.start_async({0: array})
        for request in requests:
            request.wait()

    return seconds(run)


def product(form: str, hidden, weights: np.ndarray):
    """Weights `(out, in)` times the hidden state, in one form."""
    if form == "convolution":
        return op.convolution(hidden, op.constant(weights[:, :, None, None]), [1, 1], [0, 0], [0, 0], [1, 1])
    if form == "exchanged":
        return op.matmul(op.constant(weights), hidden, False, False)
    if form == "plain":
        return op.matmul(hidden, op.constant(np.ascontiguousarray(weights.T)), False, False)
    if form == "halves":
        halves = np.split(weights, 2)
        return op.concat([op.matmul(hidden, op.constant(half), False, True) for half in halves], 1)
    return op.matmul(hidden, op.constant(weights), False, True)


def large_product() -> float:
    """GFLOP/s of a product of 2,048 x 2,048 matrices: what the machine can do."""
    one = np.random.default_rng(0).standard_normal((2048, 2048)).astype(np.float32)
    return 2 * 2048**3 / seconds(lambda: one @ one) / 1e9


def nodes(model: str, weights: str, rows: int) -> dict:
    """Milliseconds of a step by kind of node, behind 100 tokens."""
    from kgpt2.checkpoints.names import read_model
    from kgpt2.checkpoints.tensors import read_all
    from kgpt2.generation.openvino.graph import build_graph

    checkpoint = read_model(model)
    with checkpoint.open_weights() as tensors:
        graph = build_graph(checkpoint.shape, dict(read_all(tensors, model)), weights)
    settings = {**SETTINGS, "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0", "PERF_COUNT": "YES"}
    request = ov.Core().compile_model(graph, "CPU", settings).create_infer_request()
    for place in range(100):
        inputs = {
            "token_ids": np.full((rows, 1), 300, np.int32),
            "positions": np.full((rows, 1), place, np.int32),
            "mask": np.zeros((rows, 1, 1, place + 1), np.float32),
            "rows": np.arange(rows, dtype=np.int32),
            "tail": np.array([1], np.int32),
        }
        began = time.perf_counter()
        request.infer(inputs, share_inputs=True, share_outputs=True)
        took = time.perf_counter() - began
    kinds: collections.Counter[str] = collections.Counter()
    for node in request.get_profiling_info():
        kinds[f"{node.node_type} {node.exec_type}"] += node.real_time.total_seconds() * 1e3
    most = {kind: round(value, 2) for kind, value in kinds.most_common(5)}
    return {"weights": weights, "rows": rows, "step_ms": round(took * 1e3, 2), "nodes_ms": most}


def seconds(run) -> float:
    """The median of 20 runs after 3."""
    times = []
    for _ in range(23):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return statistics.median(times[3:])


if __name__ == "__main__":
    main()
