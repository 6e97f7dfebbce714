"""The samplers against transformers' logits processors and against plain counting."""

import numpy as np
import pytest

from kgpt2.generation.processors import (
    ban,
    ban_repeated_ngrams,
    distribution,
    keep_top_k,
    keep_top_p,
    next_tokens,
    softmax,
)
from kgpt2.generation.settings import Settings

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (1000, 50)).astype("float32")
CHOICES = [
    Settings(sampler="random", temperature=1.0),
    Settings(sampler="random", temperature=0.3),
    Settings(sampler="top_k", k=1),
    Settings(sampler="top_k", k=5, temperature=2.0),
    Settings(sampler="top_k", k=500),
    Settings(sampler="top_p", p=0.9, k=0),
    Settings(sampler="top_p", p=0.95, k=10, temperature=0.7),
    Settings(sampler="top_p", p=0.01, k=0),
    Settings(sampler="top_p", p=1.0, k=7),
]


@pytest.mark.parametrize("settings", CHOICES, ids=str)
def test_kept_tokens_and_probabilities_equal_those_of_transformers(settings):
    torch = pytest.importorskip("torch")
    from transformers.generation import logits_process as theirs

    scores = torch.tensor(LOGITS)
    processors = [theirs.TemperatureLogitsWarper(settings.temperature)]
    if settings.sampler != "random" and settings.k:
        processors.append(theirs.TopKLogitsWarper(settings.k))
    if settings.sampler == "top_p":
        processors.append(theirs.TopPLogitsWarper(settings.p))
    for processor in processors:
        scores = processor(None, scores)
    wanted = torch.softmax(scores, -1).numpy()
    ours = distribution(LOGITS, settings)
    assert np.array_equal(ours > 0, wanted > 0)
    assert np.abs(ours - wanted).max() < 1e-6


def test_top_k_keeps_ties_and_top_p_the_smallest_set():
    assert np.isfinite(keep_top_k(np.array([[1.0, 1.0, 0.0, 2.0]]), 2)).sum() == 3
    kept = np.isfinite(keep_top_p(LOGITS.astype("float64"), 0.8))
    probabilities = np.where(kept, softmax(LOGITS), 0)
    assert (probabilities.sum(-1) >= 0.8).all()
    smallest = np.where(kept, probabilities, np.inf).min(-1)
    assert (probabilities.sum(-1) - smallest < 0.8).all()


def test_draws_follow_the_distribution():
    settings = Settings(sampler="top_p", p=0.9, k=8, temperature=0.8)
    row = LOGITS[:1]
    draws = 20_000
    generator = np.random.default_rng(1)
    tokens = np.concatenate([next_tokens(row, settings, [generator]) for _ in range(draws)])
    expected = distribution(row, settings)[0] * draws
    counts = np.bincount(tokens, minlength=row.shape[1])
    assert (counts[expected == 0] == 0).all()
    kept = expected > 0
    chi_square = ((counts[kept] - expected[kept]) ** 2 / expected[kept]).sum()
    # The 99.9 % point of chi-square with 7 degrees of freedom is 24.3.
    assert kept.sum() <= 8
    assert chi_square < 24.3


def test_banned_tokens_never_come_and_greedy_takes_the_next_best():
    banned = np.zeros(50, dtype=bool)
    banned[LOGITS[0].argmax()] = True
    allowed = ban(LOGITS[:1], banned)
    assert next_tokens(allowed, Settings(sampler="greedy"), []) == [np.argsort(LOGITS[0])[-2]]
    generator = np.random.default_rng(2)
    hot = Settings(sampler="random", temperature=100.0)
    assert not {int(next_tokens(allowed, hot, [generator])[0]) for _ in range(2000)} & set(np.flatnonzero(banned))


def test_a_row_does_not_depend_on_its_neighbours():
    settings = Settings(sampler="random")
    together = next_tokens(LOGITS[:3], settings, [np.random.default_rng(seed) for seed in range(3)])
    alone = [next_tokens(LOGITS[i : i + 1], settings, [np.random.default_rng(i)])[0] for i in range(3)]
    assert together.tolist() == alone


@pytest.mark.parametrize("n", [1, 2, 3, 5, 12])
def test_repeated_ngrams_are_banned_as_in_transformers(n):
    torch = pytest.importorskip("torch")
    from transformers.generation.logits_process import NoRepeatNGramLogitsProcessor

    rng = np.random.default_rng(n)
    for length in (1, 2, 5, 11, 12, 40):
        tokens = rng.integers(0, 4 if n > 1 else 30, (20, length))
        logits = rng.normal(0, 3, (20, 50)).astype("float32")
        theirs = NoRepeatNGramLogitsProcessor(n)(torch.tensor(tokens), torch.tensor(logits)).numpy()
        assert np.array_equal(ban_repeated_ngrams(logits, tokens, n), theirs)


def test_where_every_token_would_repeat_the_ban_gives_way():
    logits = np.array([[1.0, 2.0], [1.0, 2.0]])
    banned = ban_repeated_ngrams(logits, np.array([[0, 1, 0], [0, 0, 0]]), 1)
    assert np.array_equal(banned, [[1.0, 2.0], [-np.inf, 2.0]])
    assert ban_repeated_ngrams(logits, np.array([[0], [0]]), 0) is logits
