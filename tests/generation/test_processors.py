"""The processors against transformers' and against plain counting."""

import itertools

import numpy as np
import pytest

from kgpt2.config.settings import Settings
from kgpt2.generation import processors
from kgpt2.generation.processors import (
    NOTHING,
    ban,
    ban_repeated_ngrams,
    ban_sequences,
    candidates,
    log_probabilities,
    next_tokens,
    penalise_repetition,
    softmax,
)

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (1000, 50)).astype("float32")
HISTORY = RNG.integers(0, 50, (1000, 9))
SAMPLERS = [
    {"sampler": "random"},
    {"sampler": "top_k", "k": 1},
    {"sampler": "top_k", "k": 5},
    {"sampler": "top_k", "k": 500},
    {"sampler": "top_p", "p": 0.9, "k": 0},
    {"sampler": "top_p", "p": 0.95, "k": 10},
    {"sampler": "top_p", "p": 0.01, "k": 0},
    {"sampler": "top_p", "p": 1.0, "k": 7},
]
CHOICES = [
    Settings(**sampler, temperature=temperature, min_p=min_p, typical_p=typical_p, repetition_penalty=penalty)
    for sampler, temperature, min_p, typical_p, penalty in itertools.product(
        SAMPLERS, (1.0, 0.3, 2.0), (None, 0.1), (None, 0.8), (1.0, 1.3)
    )
]


def distribution(logits, settings):
    """The probabilities of all tokens `(rows, vocabulary)`."""
    whole = np.zeros(logits.shape)
    for row, values in enumerate(logits):
        ids, probabilities = candidates(values, settings)
        whole[row, ids] = probabilities
    return whole


@pytest.mark.parametrize("settings", CHOICES, ids=str)
def test_kept_tokens_and_probabilities_equal_those_of_transformers(settings):
    torch = pytest.importorskip("torch")
    from transformers.generation import logits_process as theirs

    processors = [theirs.TemperatureLogitsWarper(settings.temperature)]
    if settings.repetition_penalty != 1:
        processors.insert(0, theirs.RepetitionPenaltyLogitsProcessor(settings.repetition_penalty))
    if settings.sampler != "random" and settings.k:
        processors.append(theirs.TopKLogitsWarper(settings.k))
    if settings.sampler == "top_p":
        processors.append(theirs.TopPLogitsWarper(settings.p))
    if settings.min_p is not None:
        processors.append(theirs.MinPLogitsWarper(settings.min_p))
    if settings.typical_p is not None:
        processors.append(theirs.TypicalLogitsWarper(settings.typical_p))
    scores = torch.tensor(LOGITS)
    for processor in processors:
        scores = processor(torch.tensor(HISTORY), scores)
    wanted = torch.softmax(scores, -1).numpy()
    ours = distribution(penalise_repetition(LOGITS, HISTORY, settings.repetition_penalty), settings)
    assert np.array_equal(ours > 0, wanted > 0)
    assert np.abs(ours - wanted).max() < 1e-6


def test_top_k_keeps_ties_and_top_p_the_smallest_set():
    ids, _ = candidates(np.array([1.0, 1.0, 0.0, 2.0]), Settings(sampler="top_k", k=2))
    assert list(ids) == [0, 1, 3]
    for row in LOGITS[:100]:
        ids, _ = candidates(row, Settings(k=0, p=0.8))
        probabilities = softmax(row)[ids]
        assert probabilities.sum() >= 0.8
        assert probabilities.sum() - probabilities.min() < 0.8


def test_a_row_with_less_than_k_tokens_left():
    row = np.full(50, -np.inf, dtype="float32")
    row[[3, 7]] = 1.0
    ids, probabilities = candidates(row, Settings(sampler="top_k", k=5))
    assert list(ids) == [3, 7]
    assert list(probabilities) == [0.5, 0.5]


def test_draws_follow_the_distribution():
    """A chi-square test of 20,000 draws at the level 0.001."""
    settings = Settings(sampler="top_p", p=0.9, k=8, temperature=0.8)
    row, draws = LOGITS[:1], 20_000
    generator = np.random.default_rng(1)
    tokens = np.concatenate([next_tokens(row, settings, [generator]) for _ in range(draws)])
    ids, probabilities = candidates(row[0], settings)
    counts = np.bincount(tokens, minlength=row.shape[1])
    assert counts.sum() == counts[ids].sum(), "none but the candidates"
    expected = probabilities * draws
    statistic = ((counts[ids] - expected) ** 2 / expected).sum()
    greatest = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 6: 22.46, 7: 24.32}
    assert statistic < greatest[len(ids) - 1]


def test_sequences_are_banned_as_bad_words_are_in_transformers():
    torch = pytest.importorskip("torch")
    from transformers.generation.logits_process import NoBadWordsLogitsProcessor

    rng = np.random.default_rng(0)
    history = rng.integers(0, 3, (500, 6))
    sequences = [[0, 1], [1, 2, 0], [2, 2], [0, 0, 0, 7], [1, 1, 1, 1, 1, 1, 1, 5]]
    theirs = NoBadWordsLogitsProcessor(sequences, eos_token_id=[49])(torch.tensor(history), torch.tensor(LOGITS[:500]))
    assert np.array_equal(ban_sequences(LOGITS[:500], history, sequences), theirs.numpy())


def test_places_without_a_token_count_for_nothing():
    logits = LOGITS[:2]
    history = np.array([[NOTHING, NOTHING, NOTHING, 3], [NOTHING, 5, 6, 5]])
    assert np.array_equal(ban_repeated_ngrams(logits, history, 3)[0], logits[0])
    assert np.isneginf(ban_repeated_ngrams(logits, history, 2)[1]).nonzero()[0].tolist() == [6]
    changed = penalise_repetition(logits, history, 2.0) != logits
    assert [row.nonzero()[0].tolist() for row in changed] == [[3], [5, 6]]


def test_log_probabilities():
    tokens = np.arange(50)
    wanted = np.log(softmax(LOGITS[:50]))[np.arange(50), tokens]
    assert np.abs(log_probabilities(LOGITS[:50], tokens) - wanted).max() < 1e-9


def test_a_character_comes_once_or_doubled():
    history = np.array([[9, 1, 2, 3], [9, 1, 3, 3], [3, 1, 2, 3]])
    banned = np.isneginf(processors.ban_repeats(np.zeros((3, 10)), history, np.array([3, 3, 4])))
    assert [row.nonzero()[0].tolist() for row in banned] == [[1, 2], [1, 3], [1, 2, 3]]
    assert not np.isneginf(processors.ban_repeats(np.zeros((1, 10)), history[:1], np.array([0]))).any()


def test_bans_and_greedy():
    banned = np.zeros(50, dtype=bool)
    banned[LOGITS[0].argmax()] = True
    (token,) = next_tokens(ban(LOGITS[:1], banned), Settings(sampler="greedy"), [None])
    assert token == np.argsort(LOGITS[0])[-2]


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
