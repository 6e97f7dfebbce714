"""On an accelerator: kgpt2 on JAX beside PyTorch, in three parts, the most telling rows first. No TensorFlow is needed.

    --part correctness    logits and greedy tokens of the same weights, against PyTorch in float64
    --part decode         new tokens a second, for shapes, batches and samplers
    --part fit            positions learned a second, packed batches of random text, AdamW

Random weights over 50,257 tokens. Each route is a process of its own; all get ready for a row at the same time and then
take turns, so that compile time is apart and ratios are taken within a round. The JSON is written after every row: what
a cut run has measured is kept. `--limit` ends a part before the row that would begin after so many seconds.

What a machine with PyTorch, JAX and transformers lacks: keras, keras-hub, kagglehub, kagglesdk, namex, optree, h5py,
pydantic, pydantic-core, annotated-types, typing-inspection, opencc.

    KERAS_BACKEND=jax python -m benchmarks.speed.gpu --part decode --out gpu_decode.json
    KERAS_BACKEND=jax python -m benchmarks.speed.gpu --part decode --shape tiny --rounds 1 --out tiny.json    # on a CPU
"""

import argparse
import concurrent.futures
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import turns
from benchmarks.speed import gpu_routes
from benchmarks.speed.gpu_routes import SHAPES, VOCABULARY, Row
from kgpt2.bench import turns as processes
from kgpt2.errors import Kgpt2Error

# The two libraries share the device's memory, so neither may take it all in advance.
JAX = {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
# Loops and branches on the device, not one launch after the other from the host.
GRAPHS = {"XLA_FLAGS": "--xla_gpu_enable_command_buffer=+WHILE,+CONDITIONAL"}
ROUTES = {
    "decode": {
        "transformers": {},
        "transformers-static": {},
        "cuda-graphs": {},
        "kgpt2": JAX,
        "kgpt2-graphs": {**JAX, **GRAPHS},
    },
    "fit": {"torch-compiled": {}, "kgpt2-fit": JAX},
}
PREPARE = {
    "transformers": gpu_routes.with_transformers,
    "transformers-static": gpu_routes.with_static_transformers,
    "cuda-graphs": gpu_routes.with_cuda_graphs,
    "kgpt2": gpu_routes.with_kgpt2,
    "kgpt2-graphs": gpu_routes.with_kgpt2,
    "torch-compiled": gpu_routes.with_torch_fit,
}


def decode(
    shape: str, batch: int, *, dtype: str = "bfloat16", sampler: str = "greedy", prompt: int = 8, new: int = 192
):
    """A row of the part `decode`."""
    return {"shape": shape, "dtype": dtype, "batch": batch, "sampler": sampler, "prompt": prompt, "new": new}


def fit(shape: str, batch: int, width: int, *, dtype: str = "bfloat16", steps: int = 100):
    """A row of the part `fit`."""
    return {"shape": shape, "dtype": dtype, "batch": batch, "width": width, "steps": steps}


ROWS: dict[str, list[Row]] = {
    "decode": [
        decode("base", 1),
        decode("xl", 1),
        decode("base", 128),
        decode("base", 32),
        decode("base", 1, prompt=960, new=64),
        decode("medium", 1),
        decode("base", 1, sampler="top_p"),
        decode("base", 8),
        decode("base", 1, dtype="float32"),
        decode("xl", 32),
        decode("base", 1, sampler="top_k"),
        decode("medium", 32),
        decode("xl", 128),
    ],
    "fit": [
        fit("base", 32, 128),
        fit("medium", 16, 512, steps=20),
        fit("base", 10, 50),
        fit("base", 32, 128, dtype="float32"),
    ],
}


def main() -> None:
    """Writes one JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("correctness", *ROWS), default="decode")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--rows", help="which rows of the part, by number: 0,2,5; all by default")
    parser.add_argument("--routes", help="all of the part by default")
    parser.add_argument("--shape", choices=SHAPES, help="instead of each row's own")
    parser.add_argument("--rounds", type=int, default=3, help="after one that does not count")
    parser.add_argument("--limit", type=float, default=560, help="seconds")
    parser.add_argument("--serve", metavar="ROUTE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return processes.serve(lambda: Server(options.serve))
    report = {**turns.machine(), **device(), "part": options.part, "rows": []}
    if options.part == "correctness":
        from benchmarks.speed import gpu_correctness

        for row in gpu_correctness.rows(options.shape or "base"):
            report["rows"].append(row)
            write(options.out, report)
        return
    chosen = ROWS[options.part]
    chosen = [chosen[int(number)] for number in options.rows.split(",")] if options.rows else chosen
    names = options.routes.split(",") if options.routes else list(ROUTES[options.part])
    began = time.perf_counter()
    routes = started(names, options.part)
    for row in chosen:
        if time.perf_counter() - began > options.limit:
            break
        row = {**row, "shape": options.shape or row["shape"]}
        report["rows"].append(measured(routes, row, options.rounds, report))
        write(options.out, report)
    for route in routes.values():
        route.close()


class Server:
    """What answers a route's requests: `{"row": ...}` gets ready for a row, and `{}` takes a turn."""

    def __init__(self, route: str):
        self._route, self._turn = route, None
        self._folder = tempfile.TemporaryDirectory()

    def __call__(self, request: dict) -> dict:
        if "row" not in request:
            return {"rate": self._turn(), "memory": gpu_routes.peak_memory()}
        self._turn = None  # frees the last row's memory
        began = time.perf_counter()
        try:
            if self._route == "kgpt2-fit":
                self._turn = gpu_routes.with_kgpt2_fit(request["row"], Path(self._folder.name))
            else:
                self._turn = PREPARE[self._route](request["row"])
        except Exception as error:
            return {"failed": f"{type(error).__name__}: {error}"[:300]}
        return {"ready": time.perf_counter() - began}


def started(names: list[str], part: str) -> dict[str, processes.Route]:
    """The routes' processes, started at the same time."""

    def start(name: str) -> processes.Route:
        return processes.Route(name, [sys.executable, "-m", __spec__.name, "--serve", name], ROUTES[part][name])

    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(zip(names, pool.map(start, names), strict=True))


def measured(routes: dict[str, processes.Route], row: Row, rounds: int, report: dict) -> dict:
    """A row of the report: all get ready at the same time, then take turns."""

    def ready(name: str) -> dict:
        if name == "cuda-graphs" and row["sampler"] != "greedy":
            return {"failed": "greedy alone"}
        try:
            return routes[name].ask(row=row)
        except Kgpt2Error as error:
            return {"failed": str(error)[:300]}

    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = dict(zip(routes, pool.map(ready, routes), strict=True))
    failed = {name: answer["failed"] for name, answer in answers.items() if "failed" in answer}
    rates: dict[str, list[float]] = {name: [] for name in routes if name not in failed}
    memory: dict[str, float | None] = {}
    for number in range(rounds + 1):
        for name in rates:
            reply = routes[name].ask()
            memory[name] = reply["memory"]
            if number:
                rates[name].append(reply["rate"])
    result = {**row, **floor(row, report), "ready_seconds": {name: round(answers[name]["ready"], 1) for name in rates}}
    result |= {"failed": failed, "peak_memory_mb": memory} | turns.summarise(rates, next(iter(rates), None))
    median = result["median"]
    told = " ".join(str(row[name]) for name in row)
    print(f"{told} | " + ", ".join(f"{name} {median[name]:,.0f}" for name in median), failed or "", file=sys.stderr)
    return result


def floor(row: Row, report: dict) -> dict:
    """What the row must move or compute at least, and the rate at which this device could."""
    shape = SHAPES[row["shape"]]
    weights = 12 * shape["layers"] * shape["width"] ** 2 + VOCABULARY * shape["width"]
    if "steps" in row:
        # Six operations for a weight and a position, and those of attention.
        operations = 6 * weights + 12 * shape["layers"] * shape["width"] * row["width"]
        return {"operations": operations, "floor": round(report["matrix_operations"] / operations)}
    size = 2 if row["dtype"] == "bfloat16" else 4
    mean = row["prompt"] + row["new"] / 2
    moved = size * (weights + row["batch"] * shape["layers"] * 2 * shape["width"] * mean)
    return {"bytes_a_step": round(moved), "floor": round(row["batch"] * report["bytes_a_second"] / moved)}


def device() -> dict:
    """The accelerator's name and what it does at best: bytes copied and bfloat16 operations a second."""
    import torch

    if not torch.cuda.is_available():
        return {"device": "cpu", "bytes_a_second": 2e10, "matrix_operations": 1e11}
    buffer = torch.rand(2**30, device="cuda")
    factor = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    copied = best_of(lambda: buffer.clone())
    multiplied = best_of(lambda: factor @ factor)
    found = {
        "device": torch.cuda.get_device_name(),
        "bytes_a_second": 2 * buffer.nbytes / copied,
        "matrix_operations": 2 * 8192**3 / multiplied,
    }
    return found


def best_of(function) -> float:
    """The median of ten runs, in seconds."""
    import statistics

    import torch

    seconds = []
    for number in range(13):
        began, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        began.record()
        function()
        ended.record()
        torch.cuda.synchronize()
        if number > 2:
            seconds.append(began.elapsed_time(ended) / 1000)
    return statistics.median(seconds)


def write(path: Path, report: dict) -> None:
    """The whole file or none."""
    temporary = path.with_name(f"{path.name}.part")
    temporary.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    main()
