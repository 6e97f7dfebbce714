"""Memory of a training step, by the size of the batch, the type of the computation and rematerialisation.

Each row is a process of its own: it builds a model, by default of GPT-2 base's shape, and takes one step (Linux).
What the step takes beyond the model and its optimizer is measured, tracing or compiling included. A row whose process
takes more than the limit is ended and said to.

    python -m benchmarks.memory.training_memory --sizes 8x128,8x512,8x1024 --limit-gb 10
"""

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="8x128,8x512,8x1024", help="rows x tokens")
    parser.add_argument("--dtypes", default="float32,mixed_bfloat16")
    parser.add_argument("--model", default="12,12,768", help="layers, heads, width")
    parser.add_argument("--vocabulary", type=int, default=21_128)
    parser.add_argument("--limit-gb", type=float, default=10)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(**json.loads(options.serve))
    rows = []
    for size, dtype, rematerialise in itertools.product(options.sizes.split(","), options.dtypes.split(","), (0, 1)):
        height, width = map(int, size.split("x"))
        row = {"rows": height, "tokens": width, "dtype": dtype, "rematerialise": bool(rematerialise)}
        command = [
            sys.executable,
            "-m",
            __spec__.name,
            "--serve",
            json.dumps({**row, "model": options.model, "vocabulary": options.vocabulary}),
        ]
        rows.append(row | watched(command, options.limit_gb))
        print(rows[-1], file=sys.stderr)
    import keras

    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "backend": keras.config.backend(),
        "model": options.model,
        "vocabulary": options.vocabulary,
        "limit_gb": options.limit_gb,
        "rows": rows,
    }
    print(json.dumps(report, indent=2))


def watched(command: list[str], limit_gb: float) -> dict:
    """What a process prints; `over_limit` where it takes more memory than it may."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        if memory_mb("VmRSS", process.pid) > 1000 * limit_gb:
            process.kill()
            process.wait()
            return {"over_limit": True}
        time.sleep(0.05)
    return json.loads(process.stdout.read())


def serve(rows: int, tokens: int, dtype: str, rematerialise: bool, model: str, vocabulary: int) -> None:
    """Takes a step, and prints the memory before it and what it took beyond."""
    import numpy as np

    from kgpt2.config.sections import Config
    from kgpt2.models import from_scratch
    from kgpt2.training.network import trainable_network
    from kgpt2.training.state import variables_of

    layers, heads, width = map(int, model.split(","))
    characters = map(chr, range(0x4E00, 0x4E00 + vocabulary - 5))
    task = from_scratch(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters],
        layers=layers,
        heads=heads,
        width=width,
        sequence_length=1024,
        dtype=dtype,
        dropout=0.1,
    )
    sections = {"model": {"preset": "-", "dtype": dtype, "rematerialise": rematerialise}, "data": {"texts": []}}
    network = trainable_network(task, Config.model_validate(sections), updates=1)
    variables_of(network)  # builds the optimizer
    ids = np.random.default_rng(0).integers(5, vocabulary, (rows, tokens + 1)).astype("int32")
    mask = np.ones((rows, tokens), "int32")
    batch = {"token_ids": ids[:, :-1], "padding_mask": mask}, ids[:, 1:], mask.astype("float32")
    built = memory_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is none of the step's
    network.train_on_batch(*batch)
    print(json.dumps({"built_mb": round(built), "step_mb": round(memory_mb("VmHWM") - built)}))


def memory_mb(key: str, process: int | str = "self") -> float:
    """A line of a process's /proc/PID/status; 0 once it has ended."""
    status = Path(f"/proc/{process}/status").read_text()
    return 1024 * int(status.partition(f"{key}:")[2].split()[0]) / 1e6 if f"{key}:" in status else 0


if __name__ == "__main__":
    main()
