"""A decoding step of OpenVINO by weights, precision, how activations are rounded, and pieces of a matrix.

GPT-2 base, random weights, a vocabulary of 21,128; prints a line each: milliseconds, the median of the rounds, which
are interleaved.

    python -m benchmarks.speed.groups --rounds 5
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.speed.generation import write_models
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.checkpoints.names import read_model
from kgpt2.generation.openvino import runtime
from kgpt2.generation.openvino.runtime import OpenVinoRuntime
from kgpt2.processor import Decoding

HOW = [
    Decoding("float32", "f32"),
    Decoding("float32", "f32", pieces=4),
    Decoding("float32", "bf16"),
    *(
        Decoding(weights, precision, group)
        for weights in ("int8", "int4")
        for precision in ("f32", "bf16")
        for group in (0, 64)
    ),
]
STEPS = {1: 60, 32: 15}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as root:
        os.environ["KGPT2_CACHE"] = f"{root}/cache"
        write_models(Path(root))
        checkpoint = read_model(f"{root}/model")
        runtimes = {how: prepare(checkpoint, how) for how in HOW}
        for batch in STEPS:
            times = {how: [] for how in HOW}
            for _ in range(rounds):
                for how, one in runtimes.items():
                    times[how].append(step_seconds(one, batch))
            for how, found in times.items():
                name = f"{how.weights:8} {how.precision:5} {how.group:3} {how.pieces:3}"
                print(f"{batch:3} rows  {name} {1e3 * np.median(found):7.2f} ms")


def prepare(checkpoint: Checkpoint, how: Decoding) -> OpenVinoRuntime:
    """A model that decodes in this way."""
    runtime.decoding = lambda *_: how
    return OpenVinoRuntime(checkpoint)


def step_seconds(one: OpenVinoRuntime, batch: int) -> float:
    """The median of some greedy steps."""
    logits, cache = one.prefill([list(range(101, 109))] * batch, 200, batch)
    rows, seconds = np.arange(batch, dtype=np.int32), []
    for _ in range(STEPS[batch]):
        token_ids = logits.argmax(-1).astype(np.int32)
        began = time.perf_counter()
        logits, cache = one.step(token_ids[:, None], rows, cache)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


if __name__ == "__main__":
    main()
