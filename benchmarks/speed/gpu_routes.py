"""The routes of `gpu.py`, each in a process of its own: one loads, compiles and warms up; what it gives is a turn.

A turn returns its rate, in new tokens a second, or in positions learned a second.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import pytorch

VOCABULARY = 50_257
CONTEXT = 1024
SHAPES = {
    "tiny": {"layers": 2, "heads": 2, "width": 64},
    "base": {"layers": 12, "heads": 12, "width": 768},
    "medium": {"layers": 24, "heads": 16, "width": 1024},
    "xl": {"layers": 48, "heads": 25, "width": 1600},
}
Turn = Callable[[], float]
Row = dict[str, Any]


def prompts(row: Row) -> list[list[int]]:
    """Rows of token ids, all different."""
    return [[200 + (7 * one + place) % 40_000 for place in range(row["prompt"])] for one in range(row["batch"])]


def torch_device() -> str:
    """Where PyTorch computes."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def torch_model(row: Row):
    """Random weights in a shape, in transformers."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.set_float32_matmul_precision("high")  # TF32 for float32, as XLA does by default
    shape = SHAPES[row["shape"]]
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_layer=shape["layers"],
        n_head=shape["heads"],
        n_embd=shape["width"],
        n_positions=CONTEXT,
    )
    with torch.device(torch_device()):
        return GPT2LMHeadModel(config)


def timed(generate: Callable[[], object], tokens: int) -> Turn:
    """A turn of what ends with its device idle."""

    def turn() -> float:
        began = time.perf_counter()
        generate()
        return tokens / (time.perf_counter() - began)

    return turn


def with_transformers(row: Row, *, static: bool = False) -> Turn:
    """`generate`: eager with its growing cache, or with a static one, for which it compiles decoding by itself."""
    import torch

    network = torch_model(row).eval().to(getattr(torch, row["dtype"]))
    ids = torch.tensor(prompts(row), device=network.device)
    settings = {"max_new_tokens": row["new"], "min_new_tokens": row["new"], "pad_token_id": 0}
    if row["sampler"] == "greedy":
        settings["do_sample"] = False
    else:
        settings |= {"do_sample": True, "top_k": 50 if row["sampler"] == "top_k" else 0}
        settings["top_p"] = 0.95 if row["sampler"] == "top_p" else 1.0
    if static:
        settings["cache_implementation"] = "static"

    def generate() -> None:
        network.generate(ids, attention_mask=torch.ones_like(ids), **settings)
        if network.device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(3 if static else 1):
        generate()
    return timed(generate, row["batch"] * row["new"])


def with_static_transformers(row: Row) -> Turn:
    """transformers as its documentation advises."""
    return with_transformers(row, static=True)


def with_cuda_graphs(row: Row) -> Turn:
    """PyTorch at its best, in the manner of gpt-fast: a static cache, one compiled program a token, CUDA graphs.

    Greedy alone, and nothing but the network: no penalties, bans, log-probabilities or ends.
    """
    import torch
    from torch.nn import functional

    where = torch_device()
    network = torch_model(row).eval().to(getattr(torch, row["dtype"]))
    body, shape = network.transformer, SHAPES[row["shape"]]
    heads, head = shape["heads"], shape["width"] // shape["heads"]
    room, size = row["prompt"] + row["new"], row["batch"]
    caches = torch.zeros(shape["layers"], 2, size, heads, room, head, dtype=network.dtype, device=where)
    columns = torch.arange(room, device=where)

    def forward(ids, places):
        hidden = body.wte(ids) + body.wpe(places)
        seen = (columns[None] <= places[:, None])[None, None]
        for block, cache in zip(body.h, caches, strict=True):
            parts = block.attn.c_attn(block.ln_1(hidden)).view(size, -1, 3, heads, head).permute(2, 0, 3, 1, 4)
            cache[0, :, :, places], cache[1, :, :, places] = parts[1], parts[2]
            mixed = functional.scaled_dot_product_attention(parts[0], cache[0], cache[1], attn_mask=seen)
            hidden = hidden + block.attn.c_proj(mixed.transpose(1, 2).reshape(size, -1, heads * head))
            hidden = hidden + block.mlp(block.ln_2(hidden))
        return network.lm_head(body.ln_f(hidden[:, -1])).argmax(-1, keepdim=True)

    ids = torch.tensor(prompts(row), device=where)
    tokens, place = ids[:, -1:].clone(), torch.full((1,), row["prompt"], device=where)
    compiled = torch.compile(forward, fullgraph=True)

    def decode_one_token() -> None:
        tokens.copy_(compiled(tokens, place))
        place.add_(1)

    replay = captured(decode_one_token, warm=lambda: place.fill_(row["prompt"]))

    @torch.no_grad()
    def generate() -> None:
        tokens.copy_(forward(ids, columns[: row["prompt"]]))
        place.fill_(row["prompt"])
        for _ in range(row["new"] - 1):
            replay()
        tokens.cpu()

    generate()
    return timed(generate, size * row["new"])


def captured(function: Callable[[], None], warm: Callable[[], object]) -> Callable[[], None]:
    """A function as a CUDA graph, or itself where there is no CUDA."""
    import torch

    with torch.no_grad():
        if not torch.cuda.is_available():
            return torch.no_grad()(function)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                warm()
                function()
        torch.cuda.current_stream().wait_stream(stream)
        warm()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            function()
    return graph.replay


def with_kgpt2(row: Row) -> Turn:
    """kgpt2's loop, all of it compiled."""
    from kgpt2.config.settings import Settings
    from kgpt2.generation.decoder import Decoder
    from kgpt2.generation.generate import Clock, generate
    from kgpt2.generation.rows import Prompt

    decoder = Decoder(
        keras_runtime(row),
        tokenizer(),
        Settings(sampler=row["sampler"], min_new_tokens=row["new"], batch_size=row["batch"], seed=0),
    )
    rows = [Prompt("", ids, row["new"]) for ids in prompts(row)]

    def whole() -> None:
        for _ in generate(decoder, rows, Clock()):
            pass

    for _ in range(2):
        whole()
    return timed(whole, row["batch"] * row["new"])


def keras_runtime(row: Row):
    """Random weights in a shape, as kgpt2 generates with them."""
    import keras_hub

    from kgpt2.generation.keras.runtime import KerasRuntime

    shape = SHAPES[row["shape"]]
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=VOCABULARY,
        num_layers=shape["layers"],
        num_heads=shape["heads"],
        hidden_dim=shape["width"],
        intermediate_dim=4 * shape["width"],
        max_sequence_length=CONTEXT,
        dtype=row["dtype"],
    )
    return KerasRuntime(keras_hub.models.GPT2CausalLM(backbone))


def tokenizer():
    """A tokenizer of the vocabulary's size; no text comes of it."""
    from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
    from kgpt2.checkpoints.vocabulary import read_vocabulary

    with tempfile.TemporaryDirectory() as folder:
        return BertTokenizer(read_vocabulary(write_vocabulary(Path(folder))))


def write_vocabulary(folder: Path) -> Path:
    """As many tokens as GPT-2 has, of rare characters."""
    return pytorch.write_vocabulary(folder, VOCABULARY, 0x20000)


def with_torch_fit(row: Row) -> Turn:
    """A compiled step with fused AdamW; autocast for bfloat16."""
    import torch

    network = torch_model(row).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-5, fused=True)
    where, size = network.device, (row["batch"], row["width"])

    @torch.compile
    def loss_of(ids):
        with torch.autocast(where.type, dtype=torch.bfloat16, enabled=row["dtype"] == "bfloat16"):
            return network(input_ids=ids, labels=ids).loss

    def learn(steps: int) -> None:
        for _ in range(steps):
            loss = loss_of(torch.randint(200, VOCABULARY, size, device=where))
            pytorch.update(loss, optimizer)
        loss.item()

    learn(5)
    return timed(lambda: learn(row["steps"]), row["steps"] * row["batch"] * row["width"])


def with_kgpt2_fit(row: Row, folder: Path) -> Turn:
    """`kgpt2 fit`'s network, optimizer and batches in Keras' fit."""
    import random

    from kgpt2.config.sections import Config
    from kgpt2.training import network as learning
    from kgpt2.training.compilation import jit_compile
    from kgpt2.training.feed import dataset
    from kgpt2.training.prepare import prepare

    draw = random.Random(0)
    characters = tokenizer().vocabulary[200:]
    lines = ("".join(draw.choices(characters, k=200)) for _ in range(4000))
    (folder / "text.txt").write_text("\n".join(lines) + "\n", "utf-8")
    dtype = "mixed_bfloat16" if row["dtype"] == "bfloat16" else row["dtype"]
    model = {"from_scratch": {**SHAPES[row["shape"]], "vocabulary": str(write_vocabulary(folder))}, "dtype": dtype}
    config = Config.model_validate(
        {
            "model": {**model, "sequence_length": row["width"]},
            "data": {"source": str(folder / "text.txt"), "validation": 0.0, "batching": "pack"},
            "train": {"steps": 100_000, "batch_size": row["batch"]},
        }
    )
    plan = prepare(config)
    task = learning.build(config, plan)
    network = learning.trainable_network(task, config, plan.updates, jit_compile(config, plan, task))

    def learn(steps: int) -> None:
        network.fit(dataset(plan.train, steps), shuffle=False, steps_per_epoch=steps, verbose=0)

    learn(5)
    return timed(lambda: learn(row["steps"]), row["steps"] * row["batch"] * row["width"])


def peak_memory() -> float | None:
    """The most that this process has held of the device's memory, in MB."""
    import sys

    with contextlib.suppress(Exception):
        if "jax" in sys.modules:
            import jax

            return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 1e6
        import torch

        return torch.cuda.max_memory_allocated() / 1e6
    return None
