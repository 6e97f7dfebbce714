"""What adversarial training does: mini_zh on 120 of the packaged Tang poems, with it and without, five seeds each.

    python -m benchmarks.verse.adversarial > benchmarks/records/adversarial.json

Held out are 30% of the poems, others for each seed. Losses are in nats per target: of the held-out poems as they are,
and with their embeddings moved by one step of length `EPSILON` up the gradient of the loss. A sign is that of the
difference to the same seed without it.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import kgpt2
from benchmarks import turns
from kgpt2.checkpoints.names import read_model
from kgpt2.config.recipes import config_of
from kgpt2.models import load_task
from kgpt2.models.rematerialisation import logits_of
from kgpt2.training.prepare import prepare

SEEDS = range(5)
EPSILON = 1.0
KINDS: dict[str, dict[str, Any]] = {
    "fgm": {"method": "fgm", "epsilon": EPSILON},
    "pgd": {"method": "pgd", "epsilon": EPSILON, "steps": 2},
    "freelb": {"method": "freelb", "epsilon": EPSILON, "steps": 2},
}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", default=["fgm"], help=", ".join(KINDS))
    options = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = {}
    for name in ("without", *options.methods):
        adversarial = None if name == "without" else KINDS[name]
        rows = []
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                fitted = kgpt2.fit(config(seed, adversarial), folder)
                clean, moved = losses(fitted.folder, seed)
            rows.append((clean, moved, fitted.summary["seconds"]))
        found[name] = dict(zip(("held_out", "perturbed", "seconds"), map(list, zip(*rows, strict=True)), strict=True))
    report = {}
    for name, figures in found.items():
        report[name] = {key: round(statistics.fmean(values), 4) for key, values in figures.items()}
        for key in ("held_out", "perturbed"):
            pairs = zip(figures[key], found["without"][key], strict=True)
            report[name][f"{key}_signs"] = "".join("-" if a < b else "+" if a > b else "0" for a, b in pairs)
        report[name] |= {
            f"{key}_losses": [round(value, 4) for value in figures[key]] for key in ("held_out", "perturbed")
        }
    print(json.dumps({**turns.machine(), "seeds": len(SEEDS), "epsilon": EPSILON, **report}, indent=2))


def config(seed: int, adversarial: dict[str, Any] | None) -> dict[str, Any]:
    """A run."""
    return {
        "model": {"preset": "mini_zh", "sequence_length": 64},
        "data": {"source": "samples/tang", "validation": 0.3, "limit": 120},
        "train": {
            "epochs": 2,
            "batch_size": 8,
            "learning_rate": 2e-4,
            "warmup": 0.1,
            "seed": seed,
            "adversarial": adversarial,
        },
    }


def losses(folder: Path, seed: int) -> tuple[float, float]:
    """Of what the seed holds out: as it is, and with embeddings moved."""
    plan = prepare(config_of(config(seed, None)))
    task = load_task(read_model(str(folder)), dropout=0.0)
    moved = keras.Input((None, task.backbone.hidden_dim))
    network = keras.Model([task.backbone.input, moved], logits_of(task.backbone, False, moved))
    total = [0.0, 0.0]
    count = 0.0
    assert plan.validation is not None
    for batch in plan.validation.take(plan.validation.per_epoch):
        x, y, weights = keras.tree.map_structure(tf.convert_to_tensor, batch.as_keras())
        r = tf.zeros((*y.shape, task.backbone.hidden_dim))

        def loss(r: Any, x: Any = x, y: Any = y, weights: Any = weights) -> Any:
            each = keras.ops.sparse_categorical_crossentropy(y, network([x, r]), from_logits=True)
            return tf.reduce_sum(each * weights)

        with tf.GradientTape() as tape:
            tape.watch(r)
            value = loss(r)
        gradient = tape.gradient(value, r)
        norm = tf.sqrt(tf.reduce_sum(gradient**2, axis=(1, 2), keepdims=True))
        total[0] += float(value)
        total[1] += float(loss(EPSILON * gradient / tf.maximum(norm, 1e-12)))
        count += float(tf.reduce_sum(weights))
    return total[0] / count, total[1] / count


if __name__ == "__main__":
    main()
