"""How long does dropping an iterator of `tf.data` take, autotuned and not? (Autotuned, now and then seconds.)

The thread that tunes sleeps twice as long after each look, up to a minute; where it misses that the iterator is being
dropped, who drops it waits. Keras drops one after every epoch and every validation. Each variant runs in a process of
its own: many iterators give one element, stand for some seconds, and are dropped one by one. Needs TensorFlow only:

    python -m benchmarks.speed.tf_data_stalls > benchmarks/records/tf_data_stalls.json
"""

import argparse
import json
import subprocess
import sys
import time

from benchmarks import turns

VARIANTS = {"autotuned": True, "not tuned": False}
STALL = 0.2  # seconds; without a stall it takes less than a hundredth of this


def measure(autotuned: bool, iterators: int, seconds: float) -> dict:
    """Drops of iterators that stalled, and the longest drop, in seconds."""
    import numpy as np
    import tensorflow as tf

    def read(step):
        return np.full((4, 4), step)

    options = tf.data.Options()
    options.autotune.enabled = autotuned

    def begin():
        dataset = tf.data.Dataset.range(1000).map(lambda step: tf.numpy_function(read, [step], tf.int64))
        dataset = dataset.prefetch(tf.data.AUTOTUNE if autotuned else 2).with_options(options)
        iterator = iter(dataset)
        next(iterator)
        return iterator

    begun, drops = [begin() for _ in range(iterators)], []
    time.sleep(seconds)
    while begun:
        iterator = begun.pop()
        began = time.perf_counter()
        del iterator
        drops.append(time.perf_counter() - began)
    return {"stalls": sum(drop > STALL for drop in drops), "longest_seconds": round(max(drops), 3)}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterators", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=6.0, help="that they stand")
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(measure(VARIANTS[options.variant], options.iterators, options.seconds)))
        return
    rows = []
    for variant in VARIANTS:
        command = [sys.executable, "-m", __spec__.name, *sys.argv[1:], "--variant", variant]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows.append({"prefetch": variant, **json.loads(done.stdout.splitlines()[-1])})
    print(
        json.dumps(
            {**turns.machine(), "iterators": options.iterators, "seconds": options.seconds, "rows": rows}, indent=2
        )
    )


if __name__ == "__main__":
    main()
