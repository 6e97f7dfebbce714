"""Trained tokens per second, side by side: the PyTorch loop of the couplet article, PyTorch at its best, and kgpt2.

GPT-2 base shape (12 layers, 12 heads, 768) over a vocabulary of 21,128, random weights, dropout 0.1, AdamW. Without
--couplets every batch is full: equal work. With it, the couplets themselves: the article pads each to 50 tokens, 10 to
a batch, and kgpt2 puts those of like length together; counted are the tokens that are read, never padding.

    python -m benchmarks.speed.training --rows 10 --width 50
    python -m benchmarks.speed.training --couplets FOLDER --vocabulary vocab.txt --routes article,kgpt2-tensorflow
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import pytorch, turns

VOCABULARY, LAYERS, HEADS, WIDTH = 21_128, 12, 12, 768
ROUTES = {
    "article": {},
    "torch-fused": {},
    "torch-fused-bfloat16": {},
    "kgpt2-tensorflow": {"KERAS_BACKEND": "tensorflow"},
    # XLA compiles what lies between the products, not the step as a whole.
    "kgpt2-tensorflow-parts": {"KERAS_BACKEND": "tensorflow"},
    "kgpt2-tensorflow-keras-dropout": {"KERAS_BACKEND": "tensorflow"},
    # Other kernels for XLA's matrix products, by a flag that XLA calls experimental.
    "kgpt2-tensorflow-ynn": {
        "KERAS_BACKEND": "tensorflow",
        "XLA_FLAGS": "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT",
    },
    "kgpt2-tensorflow-bfloat16": {"KERAS_BACKEND": "tensorflow"},
    "kgpt2-jax": {"KERAS_BACKEND": "jax"},
    "kgpt2-jax-bfloat16": {"KERAS_BACKEND": "jax"},
}
ARTICLE_ROWS, ARTICLE_WIDTH = 10, 50


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ARTICLE_ROWS)
    parser.add_argument("--width", type=int, default=ARTICLE_WIDTH)
    parser.add_argument("--batches", type=int, default=3, help="in a turn")
    parser.add_argument("--couplets", metavar="FOLDER", help="in.txt and out.txt, or the table")
    parser.add_argument("--batch-tokens", type=int, help="of kgpt2 with --couplets, instead of --rows")
    parser.add_argument("--vocabulary", help="a vocab.txt for --couplets")
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--preset", help=argparse.SUPPRESS)
    options = turns.options_of(parser, ROUTES)
    if options.serve:
        route = with_keras if options.serve.startswith("kgpt2") else with_torch
        return turns.serve(lambda: route(options))
    with tempfile.TemporaryDirectory() as root:
        write_text(Path(root))
        arguments = ["--data", root]
        for name in ("rows", "width", "batches", "couplets", "batch_tokens", "vocabulary"):
            if (value := getattr(options, name)) is not None:
                arguments += [f"--{name.replace('_', '-')}", str(value)]
        os.environ["KGPT2_CACHE"] = f"{root}/cache"
        routes = {route: ROUTES[route] for route in options.routes.split(",")}
        found = turns.take_turns(__spec__.name, routes, arguments, options.rounds)
    work = {"couplets": True, "batch_tokens": options.batch_tokens} if options.couplets else {"width": options.width}
    report = {
        **turns.machine(),
        "rows": options.rows,
        **work,
        "rounds": options.rounds,
        "startup_seconds": found.startup,
        **turns.summarise(found.rates, "article"),
    }
    print(json.dumps(report, indent=2))


def write_text(root: Path) -> None:
    """A vocabulary, and a text of random characters in it."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = [chr(0x4E00 + index) for index in range(VOCABULARY - len(names))]
    (root / "vocab.txt").write_text("\n".join(names + characters) + "\n", "utf-8")
    draw = random.Random(0)
    lines = ("".join(draw.choices(characters, k=200)) for _ in range(2000))
    (root / "text.txt").write_text("\n".join(lines) + "\n", "utf-8")


def plan_of(options: argparse.Namespace, dtype: str, batch_tokens: int | None, batching: str):
    """Configuration and plan of a run of kgpt2 that is longer than any measurement."""
    from kgpt2.config.sections import Config
    from kgpt2.training.prepare import prepare

    scratch = {"layers": LAYERS, "heads": HEADS, "width": WIDTH}
    scratch["vocabulary"] = options.vocabulary or f"{options.data}/vocab.txt"
    model = {"preset": options.preset} if options.preset else {"from_scratch": scratch}
    couplets = {"source": "couplets", "path": options.couplets, "limit": 50_000, "on_error": "skip"}
    source = couplets if options.couplets else {"source": f"{options.data}/text.txt"}
    length = ARTICLE_WIDTH if options.couplets else options.width
    config = Config.model_validate(
        {
            "model": {**model, "sequence_length": length, "dtype": dtype},
            "data": {**source, "validation": 0.0, "batching": batching},
            "train": {"steps": 5000, "batch_size": options.rows, "batch_tokens": batch_tokens},
        }
    )
    return config, prepare(config)


def with_torch(options: argparse.Namespace) -> Callable[[], float]:
    """The article's loop, padding and all; `fused`: PyTorch's fused AdamW, and autocast for bfloat16."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.set_num_threads(turns.THREADS)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_layer=LAYERS, n_head=HEADS, n_embd=WIDTH)).train()
    optimizer = torch.optim.AdamW(model.parameters(), fused="fused" in options.serve)
    bfloat16 = options.serve.endswith("bfloat16")
    _, plan = plan_of(options, "float32", None, "pad" if options.couplets else "pack")
    step = 0

    def turn() -> float:
        nonlocal step
        read, began = 0, time.perf_counter()
        for _ in range(options.batches):
            batch = plan.train.at(step)
            step += 1
            read += int(batch.padding_mask.sum())
            ids, mask = torch.tensor(batch.token_ids).long(), torch.tensor(batch.padding_mask)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                loss = model(input_ids=ids, attention_mask=mask, labels=ids).loss
            pytorch.update(loss, optimizer)
        return read / (time.perf_counter() - began)

    turn()
    return turn


def with_keras(options: argparse.Namespace) -> Callable[[], float]:
    """kgpt2's network and optimizer in Keras' fit, as `kgpt2 fit` drives it."""
    import keras

    from kgpt2.training import network as learning
    from kgpt2.training.compilation import jit_compile
    from kgpt2.training.feed import dataset

    if options.serve.endswith("keras-dropout"):
        learning.hash_masks = lambda backbone: None
    dtype = "mixed_bfloat16" if options.serve.endswith("bfloat16") else "float32"
    config, plan = plan_of(options, dtype, options.batch_tokens, "bucket" if options.couplets else "pack")
    task = learning.build(config, plan)
    whole = False if options.serve.endswith("parts") else jit_compile(config, plan, task)
    network = learning.trainable_network(task, config, plan.updates, whole)
    step = 0

    class Timed(keras.callbacks.Callback):
        """The time from the first batch's begin to the last one's end: fit's own start is no training."""

        def on_train_batch_begin(self, batch, logs=None):
            if batch == 0:
                self.began = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            self.ended = time.perf_counter()

    def run(first: int, count: int) -> float:
        timed = Timed()
        network.fit(
            dataset(plan.train, count, first), shuffle=False, steps_per_epoch=count, callbacks=[timed], verbose=0
        )
        return sum(plan.train.size(first + one)[1] for one in range(count)) / (timed.ended - timed.began)

    def turn() -> float:
        nonlocal step
        step += options.batches
        return run(step - options.batches, options.batches)

    for one in firsts(plan.train):
        run(one, 1)  # each shape compiles once
    turn()
    return turn


def firsts(batches) -> list[int]:
    """For each shape the first batch that has it."""
    found: dict[tuple[int, int], int] = {}
    for number in range(batches.per_epoch):
        if len(found) == len(batches.shapes):
            break
        found.setdefault(batches.at(number).token_ids.shape, number)
    return list(found.values())


if __name__ == "__main__":
    main()
