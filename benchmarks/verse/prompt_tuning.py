"""What a tuned prompt is worth: mini_zh on the packaged couplets, untouched, with a prompt, with LoRA, with both.

    python -m benchmarks.verse.prompt_tuning > benchmarks/records/prompt_tuning.json

Held out are 30% of the couplets, others for each seed; losses are in nats per target. The prompt's vectors are all that
learns of the first kind, the factors of the second.
"""

import json
import statistics
import tempfile
from typing import Any

import kgpt2
from benchmarks import turns
from kgpt2.config.recipes import config_of
from kgpt2.training.prepare import prepare

KINDS: dict[str, dict[str, Any]] = {
    "prompt of 20, random": {"prompt_tuning": {"length": 20}},
    "prompt of 20, from a text": {"prompt_tuning": {"length": 20, "init": "对联，上句与下句字数相同，平仄相对。"}},
    "lora of rank 4": {"lora": {"rank": 4}},
    "prompt and lora": {"prompt_tuning": {"length": 20}, "lora": {"rank": 4}},
}
RATES = {"lora of rank 4": 3e-3, "prompt and lora": 3e-3}
SEEDS = range(5)
RATE = 3e-2


def main() -> None:
    """Prints one JSON object."""
    losses: dict[str, list[float]] = {"untouched": [untouched(seed) for seed in SEEDS]}
    trainable = {}
    for name, model in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            runs = [kgpt2.fit(config(seed, name, model), f"{folder}/{seed}") for seed in SEEDS]
        losses[name] = [run.summary["validation"]["loss"] for run in runs]
        trainable[name] = runs[0].summary["trainable_parameters"]
    report = {
        name: {
            "loss": round(statistics.fmean(found), 4),
            "lower than untouched": sum(a < b for a, b in zip(found, losses["untouched"], strict=True)),
            "trainable": trainable.get(name, 0),
            "losses": [round(loss, 4) for loss in found],
        }
        for name, found in losses.items()
    }
    print(json.dumps({**turns.machine(), "seeds": len(SEEDS), **report}, ensure_ascii=False, indent=2))


def config(seed: int, name: str = "", model: dict[str, Any] | None = None) -> dict[str, Any]:
    """A run; `samples/couplets` has about 300."""
    return {
        "model": {"preset": "mini_zh", "sequence_length": 64, "dropout": 0.0, **(model or {})},
        "data": {"source": "samples/couplets", "validation": 0.3},
        "train": {"epochs": 6, "batch_size": 16, "learning_rate": RATES.get(name, RATE), "warmup": 0.1, "seed": seed},
    }


def untouched(seed: int) -> float:
    """The loss of the model itself on what the seed holds out."""
    import kgpt2.models as models
    from kgpt2.training.feed import dataset
    from kgpt2.training.network import trainable_network
    from kgpt2.training.target import LOSS

    resolved = config_of(config(seed))
    plan = prepare(resolved)
    assert plan.validation is not None
    network = trainable_network(models.load_task(plan.start), resolved, 1)
    held_out = dataset(plan.validation, plan.validation.per_epoch)
    return float(network.evaluate(held_out, verbose=0, return_dict=True)[LOSS])


if __name__ == "__main__":
    main()
