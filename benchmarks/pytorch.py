"""The other side, once for all scripts: vocabularies of random weights, and the steps of a plain PyTorch loop."""

import json
from pathlib import Path
from typing import Any

import numpy as np


def write_vocabulary(folder: Path, size: int, first: int = 0x4E00) -> Path:
    """A BERT tokenizer's files, Google's first hundred places and then one character after the other.

    Args:
        folder: where to write.
        size: tokens in all.
        first: the code point to begin with; more than 40,000 need one above those of surrogates.

    Returns:
        The path of the vocabulary.
    """
    tokens = ["[PAD]", *(f"[unused{i}]" for i in range(1, 100)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [chr(first + i) for i in range(size - len(tokens))]
    path = folder / "vocab.txt"
    path.write_text("\n".join(tokens) + "\n", "utf-8")
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return path


def decayed(model: Any, weight_decay: float) -> list[dict[str, Any]]:
    """A model's parameters for AdamW: matrices decay, biases and norms do not."""
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim == 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def loss_of(model: Any, batch: Any) -> Any:
    """The mean cross-entropy over the targets of one of kgpt2's batches."""
    import torch

    labels = torch.tensor(np.where(batch.target_mask > 0, batch.targets, -100)).long()
    logits = model(torch.tensor(batch.token_ids), attention_mask=torch.tensor(batch.padding_mask)).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


def update(loss: Any, optimizer: Any, clip: float | None = None) -> None:
    """One update from a loss, its gradients clipped by their norm."""
    import torch

    loss.backward()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_([one for group in optimizer.param_groups for one in group["params"]], clip)
    optimizer.step()
    optimizer.zero_grad()
