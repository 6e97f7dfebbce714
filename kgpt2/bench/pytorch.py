"""The routes of PyTorch and transformers, as the couplet article's scripts have them."""

import numpy as np
import torch
from transformers import AutoModelForCausalLM, GPT2LMHeadModel

from kgpt2.bench.drawn import drawn_prompts
from kgpt2.bench.reply import timed
from kgpt2.bench.turns import THREADS, Answer
from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.checkpoints.names import read_model


def prepare(route: str, model: str, folder: str, **shape: int) -> Answer:
    """Loads the network; requests are calls of generate, or steps of the training loop.

    Args:
        route: "torch-generate" or "torch-fit".
        model: any MODEL, for its tokenizer.
        folder: of transformers, with the weights.
        **shape: of `generating` or `fitting`.
    """
    torch.set_num_threads(THREADS)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().to(device)
    work = generating if route == "torch-generate" else fitting
    return work(network, read_model(model).tokenizer, **shape)


def generating(
    network: GPT2LMHeadModel, tokenizer: Tokenizer, batch: int, prompt_tokens: int, new_tokens: int
) -> Answer:
    """Calls of greedy generate, without an end token."""
    ids = torch.tensor(drawn_prompts(tokenizer, batch, prompt_tokens), device=network.device)
    total = prompt_tokens + new_tokens
    settings = {"do_sample": False, "max_length": total, "min_length": total, "eos_token_id": None, "pad_token_id": 0}
    network.eval()
    return timed(
        lambda: network.generate(ids, attention_mask=torch.ones_like(ids), **settings).cpu(), batch * new_tokens
    )


def fitting(network: GPT2LMHeadModel, tokenizer: Tokenizer, batch: int, width: int, steps: int) -> Answer:
    """Steps of the article's loop: AdamW with its defaults, the loss that the model computes from its labels."""
    rows = np.array(drawn_prompts(tokenizer, batch * steps, width)).reshape(steps, batch, width)
    optimizer = torch.optim.AdamW(network.parameters())
    network.train()

    def work() -> None:
        for ids in torch.tensor(rows, device=network.device):
            loss = network(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        loss.item()

    return timed(work, rows.size)
