"""The part `correctness` of `gpu.py`: one set of weights in PyTorch and in kgpt2, each in its own type."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.speed import gpu_routes

BATCH, WIDTH, NEW = 4, 128, 128


def rows(shape: str) -> Iterator[dict]:
    """For each type: how far the logits are from PyTorch's in float64, and how long the greedy texts agree."""
    import torch

    torch.manual_seed(0)
    network = gpu_routes.torch_model({"shape": shape}).eval()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "ln" not in name:
                weight.normal_(0, 0.06 if weight.ndim > 1 else 0.02)  # logits that differ, so that texts are no loops
    ids = torch.randint(200, gpu_routes.VOCABULARY, (BATCH, WIDTH), generator=torch.Generator().manual_seed(1))
    with tempfile.TemporaryDirectory() as folder:
        network.save_pretrained(folder)
        gpu_routes.write_vocabulary(Path(folder))
        wanted = in_torch(network.double(), ids)
        texts = greedy_in_torch(network.float(), ids[:, :8])
        for dtype in ("float32", "bfloat16"):
            ours, grown = in_kgpt2(folder, dtype, ids.numpy())
            theirs = in_torch(network.to(getattr(torch, dtype)), ids)
            row = {
                "shape": shape,
                "dtype": dtype,
                "kgpt2_error": error(ours, wanted),
                "torch_error": error(theirs, wanted),
            }
            row |= {"kgpt2_best_agree": agree(ours, wanted), "torch_best_agree": agree(theirs, wanted)}
            row["greedy_tokens_until_apart"] = [
                until_apart(one, other) for one, other in zip(grown, texts, strict=True)
            ]
            print(row, file=sys.stderr)
            yield row


def error(logits, wanted) -> float:
    """The norm of the difference beside that of the right logits."""
    return float(np.linalg.norm(logits - wanted) / np.linalg.norm(wanted))


def agree(logits, wanted) -> float:
    """How often the best token is the same."""
    return float((logits.argmax(-1) == wanted.argmax(-1)).mean())


def until_apart(one: list[int], other: list[int]) -> int:
    """Tokens that two texts share from their beginnings."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), len(one))


def in_torch(network, ids):
    """Logits, float64."""
    import torch

    with torch.no_grad():
        return network(ids.to(network.device)).logits.double().cpu().numpy()


def greedy_in_torch(network, ids) -> list[list[int]]:
    """What transformers writes."""
    import torch

    ids = ids.to(network.device)
    settings = {"do_sample": False, "max_new_tokens": NEW, "min_new_tokens": NEW, "pad_token_id": 0}
    texts = network.generate(ids, attention_mask=torch.ones_like(ids), **settings)
    return texts[:, ids.shape[1] :].cpu().tolist()


def in_kgpt2(folder: str, dtype: str, ids):
    """Logits, float64, and what kgpt2 writes."""
    from kgpt2.checkpoints.names import read_model
    from kgpt2.config.settings import Settings
    from kgpt2.generation.generate import Clock, generate
    from kgpt2.generation.language_model import open_runtime
    from kgpt2.generation.rows import Prompt

    lm = open_runtime(read_model(folder), dtype, "keras")
    logits = np.asarray(lm.runtime.logits(ids.tolist()), np.float64)
    prompts = [Prompt("", text[:8].tolist(), NEW) for text in ids]
    settings = Settings(sampler="greedy", min_new_tokens=NEW, batch_size=BATCH, default_bans=False)
    return logits, [one.token_ids[-NEW:] for one in generate(lm.decoder(settings), prompts, Clock())]
