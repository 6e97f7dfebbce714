"""Products of decoding under XLA on a CPU (JAX): activations as rows, with two layouts of the kernel, and as columns.

The four products of a GPT-2 base block at a batch, with the kernels of eight blocks, so that none stays in a cache.

    python -m benchmarks.speed.columns --rows 32
"""

import argparse
import functools
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks import turns

SHAPES = {"query, key, value": (768, 2304), "attention output": (768, 768), "in": (768, 3072), "out": (3072, 768)}
BLOCKS, CALLS = 8, 30


def main() -> None:
    """Prints one JSON object: GFLOP/s."""
    import jax
    import jax.numpy as jnp

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=32)
    rows = parser.parse_args().rows
    draw = np.random.default_rng(0)
    products = {
        "rows, kernel (in, out)": lambda x, kernel: x @ kernel,
        "rows, kernel (out, in)": lambda x, kernel: jnp.einsum("ri,oi->ro", x, kernel),
        "columns, kernel (out, in)": lambda x, kernel: kernel @ x,
    }
    found = {}
    for name, (inner, outer) in SHAPES.items():
        kernels = [draw.random((inner, outer), np.float32) for _ in range(BLOCKS)]
        x = draw.random((rows, inner), np.float32)
        operations = 2e-9 * BLOCKS * rows * inner * outer
        found[name] = {}
        for way, product in products.items():
            arranged = [jnp.asarray(kernel if "in, out" in way else kernel.T.copy()) for kernel in kernels]
            all_blocks = jax.jit(lambda x, *some, product=product: sum(product(x, kernel) for kernel in some))
            value = jnp.asarray(x.T.copy() if way.startswith("columns") else x)
            seconds = timed(functools.partial(all_blocks, value, *arranged))
            found[name][way] = round(operations / seconds, 1)
    print(json.dumps({**turns.machine(), "rows": rows, "gflops": found}, indent=2))


def timed(call: Callable) -> float:
    """The median of warm calls, in seconds."""
    call().block_until_ready()
    seconds = []
    for _ in range(CALLS):
        began = time.perf_counter()
        call().block_until_ready()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
