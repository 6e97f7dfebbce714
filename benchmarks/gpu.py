"""On an accelerator: kgpt2 on JAX beside transformers, generating and learning. No TensorFlow is needed.

Random weights in GPT-2 shape, greedy, 32 tokens of prompt and 128 new ones, no end token; then the Keras tutorial's
fit: 500 steps of 32 x 128 tokens, AdamW, against a torch.compile'd loop. Routes run in processes of their own and take
turns; compile time is start-up. A table goes to stderr as it grows, one JSON object to stdout.

    KERAS_BACKEND=jax python benchmarks/gpu.py > gpu.json
    python benchmarks/gpu.py --shape tiny --batches 1,2 --rounds 1 --fit-batches 2 --fit-rounds 1    # on a CPU: it runs
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import turns

PROMPT, NEW = 32, 128
ROWS, WIDTH, STEPS = 32, 128, 500
VOCABULARY = 21_128
SHAPES = {
    "base": {"n_layer": 12, "n_head": 12, "n_embd": 768},
    "medium": {"n_layer": 24, "n_head": 16, "n_embd": 1024},
    "tiny": {"n_layer": 2, "n_head": 2, "n_embd": 32},
}
# The two libraries share the device's memory, so neither may take it all in advance.
JAX = {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
GENERATE = {"transformers": {}, "transformers-compiled": {}, "kgpt2": JAX}
FIT = {"torch-compiled": {}, "kgpt2-fit": JAX}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="base")
    parser.add_argument("--batches", default="1,8,32,128", help="rows generated at a time")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--fit-batches", type=int, default=STEPS // 5, help="steps of a turn; 0: no training")
    parser.add_argument("--fit-rounds", type=int, default=4, help="after one that does not count")
    parser.add_argument("--root", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--dtype", help=argparse.SUPPRESS)
    options = turns.options_of(parser, GENERATE)
    if options.serve:
        return turns.serve(lambda: PREPARE[options.serve](options))
    with tempfile.TemporaryDirectory() as root:
        write_model(Path(root), options.shape)
        os.environ["KGPT2_CACHE"] = f"{root}/cache"
        fixed = ["--root", root, "--shape", options.shape, "--fit-batches", str(options.fit_batches)]
        rows = []
        for dtype in options.dtypes.split(","):
            for batch in map(int, options.batches.split(",")):
                routes = {route: GENERATE[route] for route in options.routes.split(",")}
                what = {"task": "generate", "dtype": dtype, "batch": batch}
                rows.append(measure(what, routes, [*fixed, "--dtype", dtype, "--batch", str(batch)], options.rounds))
            if options.fit_batches:
                what = {"task": "fit", "dtype": dtype, "batch": ROWS}
                rows.append(measure(what, FIT, [*fixed, "--dtype", dtype], options.fit_rounds))
    print(json.dumps({**turns.machine(), "device": device(), "shape": options.shape, "rows": rows}, indent=2))


def measure(what: dict, routes: dict[str, dict], arguments: list[str], rounds: int) -> dict:
    """One row of the table."""
    found = turns.take_turns(__file__, routes, arguments, rounds)
    row = {**what, "startup_seconds": found.startup, "peak_memory_mb": found.memory}
    row |= turns.summarise(found.rates, next(iter(routes)))
    ratios = row[f"ratio_to_{next(iter(routes))}"]
    cells = [f"{route} {row['median'][route]:,.0f} ({ratios[route]:.2f}x)" for route in found.rates]
    print(" | ".join([" ".join(map(str, what.values())), *cells]), file=sys.stderr)
    return row


def device() -> str:
    """The accelerator's name, or the CPU's."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def write_model(root: Path, shape: str) -> None:
    """Random weights as a Hugging Face folder."""
    import torch
    from generation import write_vocabulary
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=VOCABULARY, bos_token_id=101, eos_token_id=102, **SHAPES[shape])
    GPT2LMHeadModel(config).save_pretrained(root / "model")
    write_vocabulary(root / "model", VOCABULARY)


def prompts(batch: int) -> list[list[int]]:
    """Rows of token ids, all different."""
    return [[101, *(200 + (7 * row + place) % 20_000 for place in range(PROMPT - 1))] for row in range(batch)]


def with_transformers(options: argparse.Namespace):
    """Eager with its growing cache; compiled with a static cache, as its documentation advises."""
    import torch
    from transformers import AutoModelForCausalLM

    where = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, options.dtype)
    network = AutoModelForCausalLM.from_pretrained(f"{options.root}/model", dtype=dtype).eval().to(where)
    ids = torch.tensor(prompts(options.batch), device=where)
    settings = {"do_sample": False, "max_new_tokens": NEW, "min_new_tokens": NEW, "pad_token_id": 0}
    if options.serve.endswith("compiled"):
        settings["cache_implementation"] = "static"
        network.forward = torch.compile(network.forward, mode="reduce-overhead", fullgraph=True)

    def turn() -> float:
        began = time.perf_counter()
        network.generate(ids, attention_mask=torch.ones_like(ids), **settings)
        if where == "cuda":
            torch.cuda.synchronize()
        return options.batch * NEW / (time.perf_counter() - began)

    for _ in range(3):
        turn()
    return turn


def with_kgpt2(options: argparse.Namespace):
    """kgpt2's compiled loop."""
    from kgpt2.checkpoints.names import read_model
    from kgpt2.config.settings import Settings
    from kgpt2.generation.generate import Clock, generate
    from kgpt2.generation.language_model import open_runtime
    from kgpt2.generation.rows import Prompt

    lm = open_runtime(read_model(f"{options.root}/model"), options.dtype, "keras")
    rows = [Prompt("", row, NEW) for row in prompts(options.batch)]
    settings = Settings(sampler="greedy", min_new_tokens=NEW, batch_size=options.batch)

    def turn() -> float:
        began = time.perf_counter()
        list(generate(lm.decoder(settings), rows, Clock()))
        return options.batch * NEW / (time.perf_counter() - began)

    for _ in range(2):
        turn()
    return turn


def with_torch_fit(options: argparse.Namespace):
    """A compiled loop with fused AdamW; autocast for bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    where = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")  # as XLA does by default
    network = AutoModelForCausalLM.from_pretrained(f"{options.root}/model").train().to(where)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-5, fused=True)

    def loss_of(ids):
        with torch.autocast(where, dtype=torch.bfloat16, enabled=options.dtype == "bfloat16"):
            return network(input_ids=ids, labels=ids).loss

    compiled = torch.compile(loss_of)

    def turn() -> float:
        began = time.perf_counter()
        for _ in range(options.fit_batches):
            loss = compiled(torch.randint(200, VOCABULARY, (ROWS, WIDTH), device=where))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        loss.item()
        return options.fit_batches * ROWS * WIDTH / (time.perf_counter() - began)

    turn()
    return turn


def with_kgpt2_fit(options: argparse.Namespace):
    """`kgpt2 fit`'s network, optimizer and batches in Keras' fit."""
    import random

    import training

    root = Path(options.root)
    draw = random.Random(0)
    lines = ("".join(chr(0x4E00 + draw.randrange(20_000)) for _ in range(200)) for _ in range(4000))
    (root / "text.txt").write_text("\n".join(lines) + "\n", "utf-8")
    fixed = {"rows": ROWS, "width": WIDTH, "batches": options.fit_batches, "data": root, "couplets": None}
    fixed |= {"vocabulary": None, "batch_tokens": None, "preset": f"{root}/model"}
    return training.with_keras(argparse.Namespace(**fixed, serve=f"kgpt2-{options.dtype}"))


PREPARE = {
    "transformers": with_transformers,
    "transformers-compiled": with_transformers,
    "kgpt2": with_kgpt2,
    "torch-compiled": with_torch_fit,
    "kgpt2-fit": with_kgpt2_fit,
}


if __name__ == "__main__":
    main()
