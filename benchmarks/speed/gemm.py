"""How fast this machine multiplies matrices, by library: what bounds training on a CPU.

Two products of GPT-2 base at 10 x 50 tokens, float32: the feed-forward's second, and the logits over 21,128 tokens.

    python -m benchmarks.speed.gemm
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from benchmarks import turns

SHAPES = {"feed_forward": (500, 3072, 768), "logits": (500, 768, 21_128)}
CALLS = 10


def main() -> None:
    """Prints one JSON object: GFLOP/s, medians of rounds in turn; each library in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, help=argparse.SUPPRESS)
    options = turns.options_of(parser, LIBRARIES, rounds=9)
    if options.serve:
        return turns.serve(lambda: prepare(LIBRARIES[options.serve], *SHAPES[options.shape]))
    report = turns.machine()
    routes = {library: {} for library in options.routes.split(",")}
    for shape in SHAPES:
        found = turns.take_turns(__spec__.name, routes, ["--shape", shape], options.rounds)
        report[shape] = turns.summarise(found.rates, "torch")
    print(json.dumps(report, indent=2))


def prepare(make: Callable, rows: int, inner: int, columns: int) -> Callable[[], float]:
    """A turn: a few products, warm."""
    draw = np.random.default_rng(0)
    product = make(draw.random((rows, inner), np.float32), draw.random((inner, columns), np.float32))
    product()

    def turn() -> float:
        began = time.perf_counter()
        for _ in range(CALLS):
            product()
        return 2e-9 * CALLS * rows * inner * columns / (time.perf_counter() - began)

    return turn


def with_numpy(left: np.ndarray, right: np.ndarray) -> Callable[[], object]:
    """OpenBLAS, as NumPy's wheels bring it."""
    return lambda: left @ right


def with_torch(left: np.ndarray, right: np.ndarray) -> Callable[[], object]:
    """MKL or oneDNN."""
    import torch

    torch.set_num_threads(turns.THREADS)
    one, other = torch.tensor(left), torch.tensor(right)
    return lambda: one @ other


def with_tensorflow(left: np.ndarray, right: np.ndarray, jit_compile: bool = False) -> Callable[[], object]:
    """Eigen or oneDNN; or XLA."""
    import tensorflow as tf

    one, other = tf.constant(left), tf.constant(right)
    product = tf.function(tf.matmul, jit_compile=jit_compile)
    return lambda: product(one, other).numpy()


def with_jax(left: np.ndarray, right: np.ndarray) -> Callable[[], object]:
    """XLA, of another version."""
    import jax

    one, other = jax.numpy.asarray(left), jax.numpy.asarray(right)
    product = jax.jit(jax.numpy.matmul)
    return lambda: product(one, other).block_until_ready()


LIBRARIES = {
    "numpy": with_numpy,
    "torch": with_torch,
    "tensorflow": with_tensorflow,
    "tensorflow-xla": lambda left, right: with_tensorflow(left, right, jit_compile=True),
    "jax": with_jax,
}


if __name__ == "__main__":
    main()
