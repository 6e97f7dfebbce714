"""BERTScore (Zhang et al. 2020, arXiv:1904.09675) with a BERT that the user has; needs the extra `torch`.

Each token of a text is matched with the token of the other whose contextual embedding is most alike: precision is the
mean over the candidate's tokens, recall over the reference's. Neither weighted by rarity nor rescaled.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kgpt2.errors import RequestError
from kgpt2.extras import require_installed

BATCH = 32


def bert_score(
    texts: Sequence[str], references: Sequence[str], model: str, layer: int | None = None
) -> dict[str, float]:
    """Means over pairs.

    Args:
        texts: candidates.
        references: one for each.
        model: the folder of a BERT in transformers' format.
        layer: whose output is compared; None: the last. (The paper's authors list the best layer of each model; they
            take the 8th of bert-base-chinese.)

    Returns:
        "bert_score_precision", "bert_score_recall" and "bert_score_f1", each between -1 and 1.

    Raises:
        RequestError: PyTorch or transformers is not installed, or the folder holds no such model.
    """
    require_installed("torch", "transformers")
    import torch
    from transformers import AutoModel, AutoTokenizer

    if not Path(model).is_dir():
        raise RequestError(f"{model}: not a folder; BERTScore needs a BERT in transformers' format")
    try:
        tokenizer, network = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).eval()
    except (OSError, ValueError) as error:
        raise RequestError(f"{model}: no BERT that transformers can load ({str(error).splitlines()[0]})") from None
    layers = network.config.num_hidden_layers
    if layer is not None and not 1 <= layer <= layers:
        raise RequestError(f"{model}: has the layers 1 to {layers}, {layer} was asked for")

    def embed(some: Sequence[str]) -> list[NDArray[np.float32]]:
        inputs = tokenizer(list(some), padding=True, truncation=True, return_tensors="pt")
        with torch.no_grad():
            hidden = network(**inputs, output_hidden_states=True).hidden_states[layers if layer is None else layer]
        hidden = torch.nn.functional.normalize(hidden, dim=-1)
        return [row[mask.bool()].numpy() for row, mask in zip(hidden, inputs["attention_mask"], strict=True)]

    scores = []
    for start in range(0, len(texts), BATCH):
        pairs = (embed(texts[start : start + BATCH]), embed(references[start : start + BATCH]))
        scores += [matched(candidate, reference) for candidate, reference in zip(*pairs, strict=True)]
    names = ("bert_score_precision", "bert_score_recall", "bert_score_f1")
    return dict(zip(names, np.mean(scores, axis=0).tolist(), strict=True))


def matched(candidate: NDArray[np.float32], reference: NDArray[np.float32]) -> tuple[float, float, float]:
    """Precision, recall and F1 of embeddings of length 1, `(tokens, width)` each.

    As in the authors' code, the marks at both ends may be matched, but their own matches do not count.

    Example:
        >>> matched(np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32))
        (1.0, 1.0, 1.0)
    """
    if min(len(candidate), len(reference)) <= 2:
        return 0.0, 0.0, 0.0
    alike = candidate @ reference.T
    precision, recall = float(alike.max(axis=1)[1:-1].mean()), float(alike.max(axis=0)[1:-1].mean())
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0
