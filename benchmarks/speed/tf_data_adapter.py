"""Does `tf.data.Dataset.from_generator` slow down what a process computes afterwards? (On a CPU it does.)

Each variant runs in a process of its own, in turn: it goes once through a small dataset, then times training steps on
tensors that are in memory already. "none" goes through no dataset. Needs TensorFlow only:

    python -m benchmarks.speed.tf_data_adapter --rounds 3
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time

VARIANTS = ("none", "from_generator", "numpy_function")
ROWS, WIDTHS, VOCABULARY = 32, (96, 48, 64, 112, 128, 32, 80), 4908


def measure(variant: str) -> float:
    """Positions trained per second, warm."""
    import keras
    import numpy as np
    import tensorflow as tf

    import kgpt2.models as models
    from kgpt2.training.target import TargetModel

    rng = np.random.default_rng(0)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(VOCABULARY - 5))]
    task = models.from_scratch(tokens, layers=4, heads=4, width=256, sequence_length=128, dtype="float32", dropout=0.1)
    network = TargetModel(task.input, task.output)
    network.compile(keras.optimizers.AdamW(1e-4, global_clipnorm=1.0))
    network.optimizer.build(network.trainable_variables)

    def batch(width):
        ids = rng.integers(5, VOCABULARY, (ROWS, width)).astype("int32")
        return {"token_ids": ids, "padding_mask": np.ones_like(ids)}, ids, np.ones(ids.shape, "float32")

    arrays = [batch(width) for width in WIDTHS * 3]
    ids, weights = tf.TensorSpec((ROWS, None), tf.int32), tf.TensorSpec((ROWS, None), tf.float32)
    signature = ({"token_ids": ids, "padding_mask": ids}, ids, weights)
    if variant == "from_generator":
        list(tf.data.Dataset.from_generator(lambda: iter(arrays), output_signature=signature))
    elif variant == "numpy_function":
        dataset = tf.data.Dataset.range(len(arrays))
        list(dataset.map(lambda i: tf.numpy_function(lambda i: arrays[i][1], [i], tf.int32)))
    step = tf.function(network.train_step, input_signature=[signature])
    tensors = [tf.nest.map_structure(tf.constant, array) for array in arrays]
    for tensor in tensors[: len(WIDTHS)]:
        step(tensor)
    began = time.perf_counter()
    for tensor in tensors[len(WIDTHS) :]:
        step(tensor)
    return 2 * ROWS * sum(WIDTHS) / (time.perf_counter() - began)


def main() -> None:
    """Interleaves the variants and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        print(measure(arguments.variant))
        return
    rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(arguments.rounds):
        for variant in VARIANTS:
            command = [sys.executable, "-m", __spec__.name, "--variant", variant]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rates[variant].append(float(done.stdout.splitlines()[-1]))
    base = rates["none"]
    report = {
        "machine": platform.processor() or platform.machine(),
        "positions_per_second": {name: round(statistics.median(values)) for name, values in rates.items()},
        "ratio_to_none": {
            name: round(statistics.median(v / b for v, b in zip(values, base, strict=True)), 3)
            for name, values in rates.items()
        },
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
