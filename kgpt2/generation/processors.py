"""From logits to the next token: bans, repeats, temperature, top-k, top-p, then the best token or a draw.

The order and the meaning are those of transformers' logits processors. Arrays are NumPy, `(rows, vocabulary)`.
"""

from collections.abc import Sequence

import numpy as np

from kgpt2.generation.settings import Settings


def ban(logits: np.ndarray, banned: np.ndarray) -> np.ndarray:
    """Logits with the tokens of a boolean mask `(vocabulary,)` at minus infinity."""
    return np.where(banned, -np.inf, logits)


def ban_repeated_ngrams(logits: np.ndarray, tokens: np.ndarray, n: int) -> np.ndarray:
    """Logits with every token at minus infinity that would complete a run of n tokens which the row holds already.

    A row in which nothing would be left keeps its logits, so that there is always a next token.

    Args:
        logits: float `(rows, vocabulary)`.
        tokens: int `(rows, length)`, the text of each row so far, start token and prompt included.
        n: length of the run; 0 bans nothing.
    """
    if n == 0 or tokens.shape[1] < n:
        return logits
    runs = np.lib.stride_tricks.sliding_window_view(tokens, n, axis=1)
    repeated = (runs[:, :, :-1] == tokens[:, None, tokens.shape[1] - n + 1 :]).all(axis=-1)
    rows, places = np.nonzero(repeated)
    banned = logits.copy()
    banned[rows, runs[rows, places, -1]] = -np.inf
    alive = np.isfinite(banned).any(axis=-1, keepdims=True)
    return np.where(alive, banned, logits)


def keep_top_k(logits: np.ndarray, k: int) -> np.ndarray:
    """Logits with all but the k greatest of each row at minus infinity; ties with the k-th stay."""
    if k <= 0 or k >= logits.shape[-1]:
        return logits
    kth = np.partition(logits, -k, axis=-1)[:, -k, None]
    return np.where(logits < kth, -np.inf, logits)


def keep_top_p(logits: np.ndarray, p: float) -> np.ndarray:
    """Logits with all but the nucleus of each row at minus infinity (Holtzman et al. 2020, arXiv:1904.09751).

    The nucleus is the smallest set of most probable tokens whose probabilities sum to p or more.
    """
    if p >= 1:
        return logits
    order = np.argsort(-logits, axis=-1, kind="stable")
    probabilities = softmax(np.take_along_axis(logits, order, axis=-1))
    before = np.cumsum(probabilities, axis=-1) - probabilities
    dropped = np.empty_like(before, dtype=bool)
    np.put_along_axis(dropped, order, before >= p, axis=-1)
    return np.where(dropped, -np.inf, logits)


def distribution(logits: np.ndarray, settings: Settings) -> np.ndarray:
    """The probabilities `(rows, vocabulary)` that a sampler draws from."""
    logits = logits / settings.temperature
    if settings.sampler in ("top_k", "top_p"):
        logits = keep_top_k(logits, settings.k)
    if settings.sampler == "top_p":
        logits = keep_top_p(logits, settings.p)
    return softmax(logits)


def next_tokens(logits: np.ndarray, settings: Settings, draws: Sequence[np.random.Generator]) -> np.ndarray:
    """The next token of each row, int64 `(rows,)`.

    Args:
        logits: float `(rows, vocabulary)`, bans applied.
        settings: the sampler's.
        draws: a random generator for each row, so that a row's result does not depend on its neighbours.
    """
    if settings.sampler == "greedy":
        return logits.argmax(axis=-1)
    cumulative = np.cumsum(distribution(logits, settings), axis=-1)
    points = np.array([draw.random() for draw in draws]) * cumulative[:, -1]
    # The first token whose cumulative probability exceeds the point; a token of probability 0 never does.
    return np.array([np.searchsorted(row, point, side="right") for row, point in zip(cumulative, points, strict=True)])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of each row, float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
