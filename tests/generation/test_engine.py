"""The loop, on a runtime whose logits are easy to reckon by hand."""

import dataclasses

import numpy as np
import pytest

from kgpt2.errors import RequestError
from kgpt2.generation.engine import Clock, generate, prepare_prompts
from kgpt2.generation.settings import Settings

START, END, SIZE = 0, 1, 12


class Letters:
    """A codec in which "c" is 2, "d" is 3 and so on."""

    start_id, end_id, pad_id, default_bans, vocabulary_size = START, END, 9, (START, 5), 11

    def encode(self, text):
        return [ord(letter) - ord("a") for letter in text]

    def decode(self, ids):
        return "".join(chr(ord("a") + index) for index in ids if index not in (START, END))


class Successor:
    """A runtime whose best token is the last one plus one; checks what the engine asks of it."""

    context, vocabulary_size, compilations = 32, SIZE, 0

    def __init__(self):
        self.calls = []

    def prefill(self, token_ids, length, capacity):
        assert token_ids.shape[1] <= capacity <= self.context
        self.calls.append(("prefill", token_ids.shape, capacity))
        return self._logits(token_ids[:, length - 1]), {"next": length}

    def step(self, token_ids, position, cache):
        assert cache["next"] == position, "every position is read once, in order"
        self.calls.append(("step", token_ids.shape))
        return self._logits(token_ids), {"next": position + 1}

    def _logits(self, last):
        return -np.abs(np.arange(SIZE) - (last[:, None] + 1.0)).astype("float32")


GREEDY = Settings(sampler="greedy", max_new_tokens=3)


def run(texts, settings=GREEDY):
    runtime, codec, clock = Successor(), Letters(), Clock()
    prompts = prepare_prompts(texts, codec, runtime.context, settings)
    return list(generate(runtime, codec, prompts, settings, clock)), clock, runtime


def test_rows_of_different_lengths_end_at_their_own_length():
    results, clock, _ = run(["c", "cde", ""])
    # 5 ("f") is banned and so is 0; between two neighbours the smaller id wins.
    assert [r.completion for r in results] == ["dee", "eee", ""]
    assert [r.finish_reason for r in results] == ["length", "length", "stop"]
    assert [r.new_tokens for r in results] == [3, 3, 0]
    assert results[0].text == "cdee"
    assert results[0].token_ids == [START, 2, 3, 4, 4]
    assert clock.new_tokens == 6
    assert clock.startup > 0


def test_ids_without_a_token_are_never_chosen():
    results, _, _ = run(["k"], dataclasses.replace(GREEDY, default_bans=False))
    assert results[0].completion == "kkk"


def test_continuations_lie_together_and_differ():
    results, _, _ = run(["c", "cd"], Settings(sampler="random", temperature=5.0, num_return=3, seed=4))
    assert [(r.prompt, r.index) for r in results] == [(p, i) for p in ("c", "cd") for i in range(3)]
    assert len({r.text for r in results[:3]}) == 3
    assert {r.seed for r in results} == {4}


@pytest.mark.parametrize("batch_size", [1, 2, 5, 32])
def test_a_result_does_not_depend_on_its_batch(batch_size):
    settings = Settings(sampler="random", temperature=5.0, num_return=2, seed=4, max_new_tokens=6)
    texts = ["c", "cdef", "", "ghi", "c"]
    together, _, runtime = run(texts, dataclasses.replace(settings, batch_size=batch_size))
    alone = [result for text in texts for result in run([text], settings)[0]]
    assert together == alone
    rows = {call[1][0] for call in runtime.calls}
    assert len(rows) == 1, "one number of rows, so that nothing is compiled twice"


def test_shapes_are_rounded_so_that_few_programs_are_needed():
    runtime = run(["c", "cdef"])[2]
    assert {call for call in runtime.calls if call[0] == "prefill"} == {("prefill", (2, 16), 32)}


def test_a_drawn_seed_is_reported_and_gives_the_same_again():
    first = run(["c"], Settings(sampler="random", temperature=5.0))[0][0]
    again = run(["c"], Settings(sampler="random", temperature=5.0, seed=first.seed))[0][0]
    assert again == first


def test_limits():
    assert run(["c"], Settings(sampler="greedy", max_length=4))[0][0].token_ids == [START, 2, 3, 4]
    codec = Letters()
    assert prepare_prompts(["c" * 10], codec, 32, Settings())[0].max_new_tokens == 21
    assert prepare_prompts(["c" * 10], codec, 1024, Settings())[0].max_new_tokens == 128
    assert prepare_prompts(["c" * 10], codec, 32, Settings(max_length=100))[0].max_new_tokens == 21


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        ("c" * 31, Settings(), "has 32 tokens, start token included; the model's context is 32"),
        ("c" * 5, Settings(max_length=6), "leaves nothing to generate"),
        ("c" * 5, Settings(max_new_tokens=27), "at most 26"),
    ],
)
def test_prompts_without_room_are_refused(text, settings, words):
    with pytest.raises(RequestError, match=words):
        prepare_prompts([text], Letters(), 32, settings)


@pytest.mark.parametrize(
    "values",
    [
        {"sampler": "beam"},
        {"k": -1},
        {"sampler": "top_k", "k": 0},
        {"p": 0.0},
        {"p": 1.1},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"max_new_tokens": 0},
        {"num_return": 0},
        {"seed": -1},
        {"max_length": 5, "max_new_tokens": 5},
    ],
)
def test_settings_that_mean_nothing_are_refused(values):
    with pytest.raises(RequestError, match=next(iter(values)) if len(values) == 1 else "|".join(values)):
        Settings(**values)
