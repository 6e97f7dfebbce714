"""What each way of decoding costs: the loss on texts that a model has not read, and how often the best token changes.

FOLDER is chinese-poetry, as configs/mini_zh.yaml reads it; the texts are those that it holds out. Every way reads the
same tokens, and is compared with float32 at each of them.

    python -m benchmarks.parity.quantization mini_zh FOLDER > benchmarks/records/quantization.json
"""

import argparse
import json
import os
import tempfile

import numpy as np

from benchmarks import turns
from benchmarks.speed.groups import HOW, prepare
from benchmarks.verse.mini_zh import CONFIG, flat
from kgpt2.checkpoints.names import read_model
from kgpt2.config.recipes import load_config
from kgpt2.generation.processors import log_probabilities
from kgpt2.training import prepare as training


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="any MODEL")
    parser.add_argument("folder")
    parser.add_argument("--tokens", type=int, default=10_000, help="at least so many")
    options = parser.parse_args()
    checkpoint = read_model(options.model)
    rows = held_out(checkpoint.tokenizer, options.folder, options.tokens)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["KGPT2_CACHE"] = cache
        found = {how: read(prepare(checkpoint, how), rows) for how in HOW}
    losses, best = {how: one[0] for how, one in found.items()}, {how: one[1] for how, one in found.items()}
    whole = HOW[0]
    report = {
        **turns.machine(),
        "texts": len(rows),
        "tokens": len(best[whole]),
        "ways": [
            {
                "weights": how.weights,
                "precision": how.precision,
                "group": how.group,
                "loss": round(losses[how], 4),
                "percent_above_float32": round(100 * (losses[how] / losses[whole] - 1), 3),
                "same_best_token": round(float((best[how] == best[whole]).mean()), 4),
            }
            for how in HOW
        ],
    }
    print(json.dumps(report, indent=2))


def held_out(tokenizer, folder: str, tokens: int) -> list[list[int]]:
    """Texts from the whole breadth of what is held out, as token ids, with about so many tokens."""
    plan = training.prepare(load_config(CONFIG, [f"data.path={folder}"]))
    texts = list(flat(plan.validation.rows, plan.tokenizer).texts(plan.tokenizer.vocabulary))
    rows = [[*tokenizer.start_ids, *tokenizer.encode(text), tokenizer.end_id] for text in texts]
    every = max(1, sum(map(len, rows)) // tokens)
    return rows[::every]


def read(runtime, rows: list[list[int]]) -> tuple[float, np.ndarray]:
    """The loss in nats a token, and the best token at each place."""
    values, best = [], []
    for row in rows:
        (logits,) = runtime.logits([row[:-1]])
        values.append(log_probabilities(logits, np.array(row[1:])))
        best.append(logits.argmax(-1))
    return float(-np.concatenate(values).mean()), np.concatenate(best)


if __name__ == "__main__":
    main()
