"""The twin run: the same weights, batches and settings in kgpt2 and in a plain PyTorch and transformers loop.

A small random GPT-2 learns the Tang poems that come with kgpt2 in both, with AdamW (decay, warm-up, clipping) and no
dropout; the losses of every step are compared and drawn.

    python -m benchmarks.parity.twin --plot benchmarks/records/twin.png
    KERAS_BACKEND=jax python -m benchmarks.parity.twin
"""

import argparse
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from benchmarks import pytorch, turns
from kgpt2.checkpoints.vocabulary import count_vocabulary
from kgpt2.config.sections import Config
from kgpt2.data.batches import Batches
from kgpt2.data.example import Report
from kgpt2.data.sources import open_source
from kgpt2.training.prepare import prepare

LEARNING_RATE, DECAY, WARMUP, CLIP = 1e-3, 0.01, 0.1, 1.0
WITHIN = 1e-3


def main() -> None:
    """Prints one JSON object; exit status 1 where the losses part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--plot", type=Path, metavar="PNG")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "model"
        write_model(folder, options.layers, options.width)
        config = configuration(str(folder), options.steps)
        plan = prepare(config)
        ours = with_keras(config, plan)
        theirs = with_torch(folder, plan.train, options.steps)
    difference = np.abs(np.array(ours) - theirs)
    report = {
        **turns.machine(),
        "backend": backend(),
        "steps": options.steps,
        "first_loss": ours[0],
        "last_loss": {"kgpt2": ours[-1], "torch": theirs[-1]},
        "largest_difference": float(difference.max()),
        "at_step": int(difference.argmax()) + 1,
    }
    print(json.dumps(report, indent=2))
    if options.plot:
        draw(options.plot, ours, theirs)
    raise SystemExit(int(difference.max() > WITHIN))


def write_model(folder: Path, layers: int, width: int) -> None:
    """Random weights of transformers' own, over the vocabulary of the poems."""
    torch.manual_seed(0)
    vocabulary = count_vocabulary(example.text for example in open_source("samples/tang").read(Report()))
    shape = {"n_layer": layers, "n_head": max(1, width // 64), "n_embd": width, "n_positions": 128}
    drop = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    ends = {"bos_token_id": vocabulary.index("[CLS]"), "eos_token_id": vocabulary.index("[SEP]")}
    GPT2LMHeadModel(GPT2Config(vocab_size=len(vocabulary), **shape, **drop, **ends)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))


def configuration(preset: str, steps: int) -> Config:
    """The run of both."""
    return Config.model_validate(
        {
            "model": {"preset": preset, "sequence_length": 64, "dropout": 0.0},
            "data": {"source": "samples/tang", "validation": 0.0},
            "train": {
                "steps": steps,
                "batch_size": 16,
                "learning_rate": LEARNING_RATE,
                "weight_decay": DECAY,
                "warmup": WARMUP,
                "clip_norm": CLIP,
            },
        }
    )


def with_keras(config: Config, plan) -> list[float]:
    """The loss of each step of kgpt2's own network and optimizer: a Keras epoch of one step each."""
    import keras

    from kgpt2.training.feed import dataset
    from kgpt2.training.network import build, trainable_network
    from kgpt2.training.target import LOSS

    keras.utils.set_random_seed(0)
    network = trainable_network(build(config, plan), config, plan.updates)
    data = dataset(plan.train, plan.updates)
    return network.fit(data, shuffle=False, steps_per_epoch=1, epochs=plan.updates, verbose=0).history[LOSS]


def with_torch(folder: Path, batches: Batches, steps: int) -> list[float]:
    """A plain loop over the same batches."""
    model = GPT2LMHeadModel.from_pretrained(folder).train()
    optimizer = torch.optim.AdamW(pytorch.decayed(model, DECAY), lr=LEARNING_RATE)
    warmup = round(WARMUP * steps)
    # As transformers' polynomial schedule, but that the first update has a learning rate above 0.
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, (steps - step) / (steps - warmup))
    )
    losses = []
    for step, batch in enumerate(batches.take(steps), 1):
        loss = pytorch.loss_of(model, batch)
        losses.append(loss.item())
        for group in optimizer.param_groups:
            # Keras adds its epsilon (1e-7) before the bias correction, PyTorch (1e-8) after it: see section 2 of the
            # Adam paper on the order of its computation.
            group["eps"] = 1e-7 / math.sqrt(1 - group["betas"][1] ** step)
        pytorch.update(loss, optimizer, CLIP)
        schedule.step()
    return losses


def backend() -> str:
    """The one that Keras computes on."""
    import keras

    return keras.config.backend()


def draw(path: Path, ours: list[float], theirs: list[float]) -> None:
    """Both curves, and their difference below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    steps = np.arange(1, len(ours) + 1)
    above.plot(steps, theirs, linewidth=4, color="tab:orange", alpha=0.5, label="PyTorch and transformers")
    above.plot(steps, ours, linewidth=1, color="tab:blue", label=f"kgpt2 (Keras on {backend()})")
    above.set_ylabel("loss of the batch, nats per token")
    above.legend()
    below.semilogy(steps, np.abs(np.array(ours) - theirs) + 1e-9, color="tab:blue")
    below.axhline(WITHIN, color="tab:red", linestyle="--", label=f"{WITHIN:g}")
    below.set_xlabel("optimizer update")
    below.set_ylabel("difference, nats")
    below.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
