"""How fast this machine multiplies matrices, by library: what bounds training on a CPU.

Two products of GPT-2 base at 10 x 50 tokens, float32: the feed-forward's second, and the logits over 21,128 tokens.

    python benchmarks/gemm.py
"""

import json
import time
from collections.abc import Callable

import numpy as np
import turns

SHAPES = {"feed_forward": (500, 3072, 768), "logits": (500, 768, 21_128)}
ROUNDS = 9


def main() -> None:
    """Prints one JSON object: GFLOP/s, medians of interleaved rounds."""
    report = turns.machine()
    for name, (rows, inner, columns) in SHAPES.items():
        draw = np.random.default_rng(0)
        left, right = draw.random((rows, inner), np.float32), draw.random((inner, columns), np.float32)
        products = {library: make(left, right) for library, make in LIBRARIES.items()}
        rates: dict[str, list[float]] = {library: [] for library in products}
        for number in range(ROUNDS + 1):
            for library, product in products.items():
                began = time.perf_counter()
                product()
                if number:
                    rates[library].append(2e-9 * rows * inner * columns / (time.perf_counter() - began))
        report[name] = turns.summarise(rates, "torch")
    print(json.dumps(report, indent=2))


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
