"""The processors in Keras ops against those in NumPy, which are held against transformers' in test_processors."""

import numpy as np
import pytest
from keras import ops

from kgpt2.config.settings import Settings
from kgpt2.generation import processors
from kgpt2.generation.keras import processors as on_device
from kgpt2.generation.keras.processors import TracedSettings
from kgpt2.generation.processors import NOTHING

pytestmark = pytest.mark.backends
RNG = np.random.default_rng(1)
ROWS, VOCABULARY, LENGTH = 1000, 300, 12
LOGITS = RNG.normal(0, 3, (ROWS, VOCABULARY)).astype("float32")
NO_REPEATS = np.full(ROWS, processors.NOTHING, dtype="int32")
HISTORY = RNG.integers(0, VOCABULARY, (ROWS, LENGTH)).astype("int32")
SETTINGS = [
    Settings(sampler="random"),
    Settings(sampler="random", temperature=0.3, min_p=0.05),
    Settings(sampler="random", typical_p=0.7),
    Settings(sampler="top_k", k=1),
    Settings(sampler="top_k", k=5, temperature=2.0),
    Settings(sampler="top_k", k=200),
    Settings(sampler="top_k", k=5000),
    Settings(sampler="top_p", p=0.9, k=0),
    Settings(sampler="top_p", p=0.95, k=50),
    Settings(sampler="top_p", p=0.01, k=0),
    Settings(sampler="top_p", p=1.0, k=7),
    Settings(sampler="top_p", p=0.9, k=40, temperature=0.7, min_p=0.02, typical_p=0.9),
]


class NoBans:
    """Bans that forbid nothing."""

    mask = np.zeros(VOCABULARY, dtype=bool)
    sequences = ()


class Fixed:
    """A generator whose draw is known."""

    def __init__(self, value):
        self._value = value

    def random(self):
        return self._value


tensor = ops.convert_to_tensor


def numpy(values):
    return np.asarray(ops.convert_to_numpy(values))


def rules(settings, bans=NoBans):
    return TracedSettings(*map(tensor, on_device.traced(settings, bans, 300, 0)))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_kept_tokens_probabilities_and_draws(settings):
    wanted = np.zeros((ROWS, VOCABULARY))
    for row, logits in enumerate(LOGITS):
        ids, shares = processors.candidates(logits, settings)
        wanted[row, ids] = shares
    ours = numpy(on_device.probabilities(tensor(LOGITS), rules(settings)))
    assert np.array_equal(ours > 1e-30, wanted > 1e-30)
    assert np.abs(ours - wanted).max() < 1e-5
    # A draw this near to the border of two tokens may fall to either of them.
    draws = RNG.random(ROWS)
    tokens = processors.next_tokens(LOGITS, settings, [Fixed(draw) for draw in draws])
    ours = numpy(on_device.next_tokens(tensor(LOGITS), rules(settings), tensor(draws.astype("float32"))))
    different = tokens != ours
    borders = np.abs(np.cumsum(wanted, axis=1) - draws[:, None]).min(axis=1)
    assert (borders[different] < 1e-5).all()
    assert different.sum() <= 2


def test_greedy_takes_the_best():
    ours = on_device.next_tokens(tensor(LOGITS), rules(Settings(sampler="greedy")), tensor(np.zeros(ROWS, "f4")))
    assert np.array_equal(numpy(ours), LOGITS.argmax(axis=1))


def test_the_greatest_draw_leads_to_a_token_that_is_left():
    logits = np.where(np.arange(VOCABULARY) < 200, LOGITS, -np.inf).astype("float32")
    for settings in SETTINGS:
        last = np.full(ROWS, 1 - 2.0**-24, dtype="float32")
        tokens = numpy(on_device.next_tokens(tensor(logits), rules(settings), tensor(last)))
        kept = numpy(on_device.probabilities(tensor(logits), rules(settings)))
        assert (kept[np.arange(ROWS), tokens] > 0).all()


@pytest.mark.parametrize("penalty", [1.0, 1.3, 0.7])
def test_repetition_penalty(penalty):
    history = np.where(np.arange(LENGTH) < RNG.integers(0, LENGTH, (ROWS, 1)), NOTHING, HISTORY).astype("int32")
    seen = on_device.seen_tokens(tensor(history), VOCABULARY)
    ours = on_device.penalise_repetition(tensor(LOGITS), seen, np.float32(penalty))
    wanted = processors.penalise_repetition(LOGITS, history, penalty)
    assert np.abs(numpy(ours) - wanted).max() < 1e-5


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_ngram_ban_while_a_text_grows(n):
    """Few tokens, so that runs repeat; the runs of the prompt come from the host, those of new tokens from the step."""
    tokens = RNG.integers(0, 3, (ROWS, LENGTH)).astype("int32")
    tokens[:, :4] = np.where(np.arange(4) < RNG.integers(0, 4, (ROWS, 1)), NOTHING, tokens[:, :4])
    prompt = 6
    history = np.full((ROWS, LENGTH), NOTHING, dtype="int32")
    history[:, :prompt] = tokens[:, :prompt]
    runs = on_device.first_runs(history, prompt)
    for length in range(prompt, LENGTH):
        ours = on_device.ban_repeated_ngrams(tensor(LOGITS), tensor(history), tensor(runs), np.int32(n))
        wanted = processors.ban_repeated_ngrams(LOGITS, tokens[:, :length], n)
        assert np.array_equal(numpy(ours), wanted)
        runs = on_device.grow_runs(tensor(runs), tensor(history), tokens[:, length])
        runs = numpy(runs)
        history[:, length] = tokens[:, length]


def test_repeats_within_the_text():
    """Few tokens, so that many come twice and some are doubled; what stands in front of the text does not count."""
    tokens = RNG.integers(0, 9, (ROWS, LENGTH)).astype("int32")
    tokens[0, :6] = [1, 2, 3, 4, 5, 5]
    for length in (1, 6, LENGTH):
        texts = np.minimum(RNG.integers(0, 6, ROWS), length).astype("int32")
        begins = (length - texts).astype("int32")
        arguments = (LOGITS, tokens, np.int32(length), begins)
        ours = on_device.ban_repeats(*map(tensor, arguments), np.bool_(True))
        assert np.array_equal(numpy(ours), processors.ban_repeats(LOGITS, tokens[:, :length], texts))
        assert np.array_equal(numpy(on_device.ban_repeats(*map(tensor, arguments), np.bool_(False))), LOGITS)


def test_an_ngram_ban_gives_way_where_nothing_would_be_left():
    history = np.array([[0, 1, NOTHING], [0, 0, NOTHING]], dtype="int32")
    logits = np.array([[1.0, 2.0], [1.0, 2.0]], dtype="float32")
    runs = on_device.first_runs(history, 2)
    ours = on_device.ban_repeated_ngrams(*map(tensor, (logits, history, runs)), np.int32(1))
    assert np.array_equal(numpy(ours), [[1.0, 2.0], [-np.inf, 2.0]])


def test_a_form_wins_over_every_ban():
    besides = np.ones((4, VOCABULARY), dtype=bool)
    besides[0, 7] = False  # one token, such as a mark
    besides[1, 20:90] = False
    besides[2, ::3] = False
    besides[3] = False
    needs = RNG.integers(0, 4, ROWS).astype("int32")
    scores = np.where(RNG.random((ROWS, VOCABULARY)) < 0.6, -np.inf, LOGITS).astype("float32")
    ours = numpy(on_device.keep_form(tensor(scores), tensor(LOGITS), tensor(needs), tensor(besides), NO_REPEATS))
    assert np.array_equal(ours, processors.keep_form(scores, LOGITS, besides[needs]))
    marks = ours[needs == 0]
    assert (marks[:, 7] > -np.inf).all()
    assert ((marks > -np.inf).sum(axis=1) == 1).all()
    banned = np.isinf(scores[needs == 0][:, 7])
    assert banned.any(), "some of them were banned before"
    free = numpy(on_device.keep_form(tensor(scores), tensor(LOGITS), tensor(needs), tensor(besides[2:3]), NO_REPEATS))
    assert np.array_equal(free, np.where(besides[2], -np.inf, scores)), "without a form, what is banned"


def test_a_form_repeats_a_token_that_stands_before():
    history, backs = np.array([[3, 5, 8], [4, 6, 7]], dtype="int32"), np.array([2, 0], dtype="int32")
    again = on_device.repeated(tensor(history), np.int32(3), tensor(backs))
    assert numpy(again).tolist() == [5, processors.NOTHING]
    scores = np.full((2, VOCABULARY), -np.inf, dtype="float32")
    scores[1, 9] = 1.0
    besides = np.zeros((2, VOCABULARY), dtype=bool)
    kept = numpy(on_device.keep_form(tensor(scores), tensor(LOGITS[:2]), np.zeros(2, "int32"), tensor(besides), again))
    assert np.flatnonzero(kept[0] > -np.inf).tolist() == [5], "though it was banned"
    assert np.flatnonzero(kept[1] > -np.inf).tolist() == [9]


def test_banned_sequences():
    class Sequences(NoBans):
        sequences = ((0, 1), (1, 2, 0), (2, 2), (0, 0, 0, 7))

    history = np.full((ROWS, 9), NOTHING, dtype="int32")
    history[:, :6] = RNG.integers(0, 3, (ROWS, 6))
    logits, text = tensor(LOGITS), tensor(history)
    ours = on_device.ban_sequences(logits, text, np.int32(6), rules(Settings(), Sequences).sequences)
    assert np.array_equal(numpy(ours), processors.ban_sequences(LOGITS, history[:, :6], Sequences.sequences))


def test_log_probabilities():
    tokens = LOGITS.argmin(axis=1).astype("int32")
    ours = on_device.log_probabilities(tensor(LOGITS), tensor(tokens))
    assert np.abs(numpy(ours) - processors.log_probabilities(LOGITS, tokens)).max() < 1e-4
