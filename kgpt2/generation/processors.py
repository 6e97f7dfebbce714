"""From logits to the next token: penalties and bans, then temperature and the samplers' cuts, then the best or a draw.

The order and the meaning are those of transformers' logits processors. Arrays are NumPy. What changes logits works on
all rows `(rows, vocabulary)` at once; what cuts the distribution works on a row's candidates only, because top-k
leaves some fifty of twenty thousand tokens and sorting the rest would take longer than the network.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgpt2.config.settings import Settings

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]

# Stands in a history where a row has no token yet.
NOTHING = -1


def penalise_repetition(logits: Floats, history: Ints, penalty: float) -> Floats:
    """Logits with those of the tokens in each row's history divided by the penalty (multiplied where negative).

    Source: Keskar et al. 2019, arXiv:1909.05858, in the form that transformers gave it.

    Example:
        >>> penalise_repetition(np.array([[2.0, -1.0, 1.0]]), np.array([[0, 1]]), 2.0)
        array([[ 1., -2.,  1.]])
    """
    if penalty == 1:
        return logits
    rows, places = np.nonzero(history != NOTHING)
    tokens = history[rows, places]
    values = logits[rows, tokens]
    changed = logits.copy()
    changed[rows, tokens] = np.where(values < 0, values * penalty, values / penalty)
    return changed


def ban_repeated_ngrams(logits: Floats, history: Ints, n: int) -> Floats:
    """Logits with every token at minus infinity that would complete a run of n tokens which the row holds already.

    A row in which nothing would be left keeps its logits, so that there is always a next token.

    Args:
        logits: float `(rows, vocabulary)`.
        history: int `(rows, length)`, each row's text so far, start token and prompt included, `NOTHING` in front.
        n: length of the run; 0 bans nothing.

    Example:
        >>> ban_repeated_ngrams(np.zeros((1, 3)), np.array([[0, 1, 0]]), 2)
        array([[  0., -inf,   0.]])
    """
    if n == 0 or history.shape[1] < n:
        return logits
    runs = np.lib.stride_tricks.sliding_window_view(history, n, axis=1)
    repeated = (runs[:, :, :-1] == history[:, None, history.shape[1] - n + 1 :]).all(axis=-1)
    rows, places = np.nonzero(repeated & (runs[:, :, 0] != NOTHING))
    banned = logits.copy()
    banned[rows, runs[rows, places, -1]] = -np.inf
    return _unless_nothing_is_left(banned, logits)


def ban_repeats(logits: Floats, history: Ints, lengths: Ints) -> Floats:
    """Logits with every token at minus infinity that a row's text holds, but for the last one, which may be doubled.

    Args:
        logits: float `(rows, vocabulary)`.
        history: int `(rows, length)`, each row's text so far and what stands in front of it.
        lengths: int `(rows,)`, how many tokens at the end of the history are the text.

    Example:
        >>> ban_repeats(np.zeros((1, 4)), np.array([[3, 0, 1]]), np.array([2]))
        array([[-inf,   0.,   0.,   0.]])
    """
    banned = logits.copy()
    for row, (tokens, length) in enumerate(zip(history, lengths, strict=True)):
        text = tokens[len(tokens) - length :]
        banned[row, text if (text == text[-1:]).sum() != 1 else text[:-1]] = -np.inf
    return banned


def ban_sequences(logits: Floats, history: Ints, sequences: Sequence[Sequence[int]]) -> Floats:
    """Logits with the last token of each sequence at minus infinity where its other tokens have just come.

    Example:
        >>> ban_sequences(np.zeros((1, 3)), np.array([[0, 1]]), [[1, 2]])
        array([[  0.,   0., -inf]])
    """
    banned = logits.copy() if sequences else logits
    for *before, last in sequences:
        if len(before) <= history.shape[1]:
            just_came = (history[:, history.shape[1] - len(before) :] == before).all(axis=-1)
            banned[just_came, last] = -np.inf
    return _unless_nothing_is_left(banned, logits)


def ban(logits: Floats, banned: Mask) -> Floats:
    """Logits with the tokens of a boolean mask `(vocabulary,)` or `(rows, vocabulary)` at minus infinity.

    Example:
        >>> ban(np.zeros((1, 2)), np.array([True, False]))
        array([[-inf,   0.]])
    """
    return np.where(banned, -np.inf, logits)


def keep_form(scores: Floats, logits: Floats, besides: Mask) -> Floats:
    """Scores with every token at minus infinity that the form does not allow.

    The form wins over every other rule: a row in which those leave nothing of it gets its logits back.

    Args:
        scores: float `(rows, vocabulary)`, penalties and bans applied.
        logits: the same without them.
        besides: bool `(rows, vocabulary)`, what the form does not allow.
    """
    scores = ban(scores, besides)
    dead = ~(scores > -np.inf).any(axis=-1)
    if dead.any():
        scores[dead] = ban(logits[dead], besides[dead])
    return scores


def candidates(logits: Floats, settings: Settings) -> tuple[Ints, Floats]:
    """The tokens of one row that a sampler draws from.

    Args:
        logits: float `(vocabulary,)`, penalties and bans applied.
        settings: the sampler's.

    Returns:
        Ids, ascending, and their probabilities, float64, which sum to 1.

    Example:
        >>> candidates(np.array([1.0, 3.0, 2.0]), Settings(sampler="top_k", k=2))[0]
        array([1, 2])
    """
    k = settings.k if settings.sampler in ("top_k", "top_p") else 0
    ids: Ints
    if 0 < k < len(logits):
        least = np.partition(logits, -k)[-k]  # ties with the k-th stay, as in transformers
        ids = np.flatnonzero(logits >= max(least, np.finfo(logits.dtype).min))
    else:
        ids = np.flatnonzero(logits > -np.inf)
    scores: Floats = logits[ids].astype(np.float64) / settings.temperature
    if settings.sampler == "top_p" and settings.p < 1:
        ids, scores = _cut(ids, scores, _nucleus(scores, settings.p))
    if settings.sampler != "greedy" and settings.min_p is not None:
        ids, scores = _cut(ids, scores, scores >= scores.max() + np.log(settings.min_p))
    if settings.sampler != "greedy" and settings.typical_p is not None and settings.typical_p < 1:
        ids, scores = _cut(ids, scores, _typical(scores, settings.typical_p))
    return ids, softmax(scores)


def next_tokens(logits: Floats, settings: Settings, draws: Sequence[np.random.Generator]) -> NDArray[np.int64]:
    """The next token of each row, int64 `(rows,)`.

    Args:
        logits: float `(rows, vocabulary)`, penalties and bans applied.
        settings: the sampler's.
        draws: a random generator for each row, so that a row's result does not depend on its neighbours.

    Example:
        >>> next_tokens(np.array([[1.0, 3.0]]), Settings(sampler="greedy"), [np.random.default_rng(0)])
        array([1])
    """
    if settings.sampler == "greedy":
        return np.asarray(logits.argmax(axis=-1), np.int64)
    tokens = []
    for row, draw in zip(logits, draws, strict=True):
        ids, probabilities = candidates(row, settings)
        cumulative = np.cumsum(probabilities)
        # The first token whose cumulative probability exceeds the point; a token of probability 0 never does.
        tokens.append(ids[np.searchsorted(cumulative, draw.random() * cumulative[-1], side="right")])
    return np.array(tokens)


def softmax(scores: Floats) -> Floats:
    """Probabilities along the last axis, float64.

    Example:
        >>> softmax(np.array([0.0, 0.0]))
        array([0.5, 0.5])
    """
    shifted = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def log_probabilities(logits: Floats, tokens: Ints) -> NDArray[np.float64]:
    """The log-probability of one token of each row, float64 `(rows,)`.

    Example:
        >>> log_probabilities(np.zeros((1, 2)), np.array([0])).round(2)
        array([-0.69])
    """
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    chosen = shifted[np.arange(len(shifted)), tokens]
    return np.asarray(chosen - np.log(np.exp(shifted, out=shifted).sum(axis=-1)))


def _nucleus(scores: Floats, p: float) -> Mask:
    """Which tokens are the smallest set of most probable ones that sum to p or more (Holtzman et al. 2020)."""
    order = np.argsort(-scores, kind="stable")
    probabilities = softmax(scores[order])
    before = np.cumsum(probabilities) - probabilities
    return _at(order, before < p)


def _typical(scores: Floats, mass: float) -> Mask:
    """Which tokens are nearest to the expected surprise, as many as sum to the mass or more."""
    probabilities = softmax(scores)
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = -np.log(probabilities)
        expected = np.nansum(surprise * probabilities)
    distance = np.abs(surprise - expected)
    order = np.argsort(distance, kind="stable")
    last = min(int((np.cumsum(probabilities[order]) < mass).sum()), len(order) - 1)
    return np.asarray(distance <= distance[order[last]])


def _cut(ids: Ints, scores: Floats, kept: Mask) -> tuple[Ints, Floats]:
    return ids[kept], scores[kept]


def _at(order: Ints, values: Mask) -> Mask:
    placed = np.empty_like(values)
    placed[order] = values
    return placed


def _unless_nothing_is_left(banned: Floats, logits: Floats) -> Floats:
    if banned is logits:
        return logits
    alive = (banned > -np.inf).any(axis=-1, keepdims=True)
    return banned if alive.all() else np.where(alive, banned, logits)
