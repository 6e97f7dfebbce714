"""The loop, on a runtime whose logits are easy to reckon by hand."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from kgpt2.config.settings import Settings
from kgpt2.errors import RequestError
from kgpt2.generation.decoder import Decoder
from kgpt2.generation.generate import Clock, generate, stream
from kgpt2.generation.prompts import prepare_prompts

START, END, SIZE = 0, 1, 12


class Letters:
    """A codec in which "c" is 2, "d" is 3 and so on."""

    start_id, end_id, pad_id, default_bans, vocabulary_size = START, END, 9, (START, 5), 11
    start_ids = (START,)
    added_tokens: ClassVar[dict[str, bool]] = {}
    vocabulary: ClassVar[list[str]] = []

    def encode(self, text):
        return [ord(letter) - ord("a") for letter in text]

    def decode(self, ids):
        return "".join(chr(ord("a") + index) for index in ids if index not in (START, END))


class Successor:
    """A runtime whose best token is the last one plus one; checks what decoding asks of it."""

    context, vocabulary_size, compilations = 32, SIZE, 0
    compile_seconds, loop = 0.0, None

    def __init__(self):
        self.calls = []

    def prefill(self, prompts, capacity, rows):
        assert max(map(len, prompts)) <= capacity
        assert len(prompts) <= rows
        assert all(prompt[0] == START for prompt in prompts)
        self.calls.append(("prefill", [len(prompt) for prompt in prompts], capacity))
        left = capacity - max(map(len, prompts))
        return self._logits(np.array([prompt[-1] for prompt in prompts])), {
            "rows": len(prompts),
            "left": left,
            "most": rows,
        }

    def step(self, token_ids, rows, cache):
        assert cache["left"] > 0, "the cache has room for every token"
        assert len(rows) == len(token_ids) <= cache["most"]
        assert max(rows) < cache["rows"]
        assert token_ids.shape[1] == 1, "no form settles tokens ahead"
        self.calls.append(("step", len(token_ids)))
        return self._logits(token_ids[:, 0]), {**cache, "rows": len(rows), "left": cache["left"] - 1}

    def _logits(self, last):
        return -np.abs(np.arange(SIZE) - (last[:, None] + 1.0)).astype("float32")


GREEDY = Settings(sampler="greedy", max_new_tokens=3)


def run(texts, settings=GREEDY):
    runtime, codec, clock = Successor(), Letters(), Clock()
    prompts = prepare_prompts(texts, codec, runtime.context, settings)
    return list(generate(Decoder(runtime, codec, settings), prompts, clock)), clock, runtime


def test_rows_of_different_lengths_end_at_their_own_length():
    results, clock, _ = run(["c", "cde", ""])
    # 5 ("f") is banned and so is 0; between two neighbours the smaller id wins.
    assert [r.completion for r in results] == ["dee", "eee", ""]
    assert [r.finish_reason for r in results] == ["length", "length", "stop"]
    assert [r.new_tokens for r in results] == [3, 3, 0]
    assert results[0].text == "cdee"
    assert results[0].token_ids == [START, 2, 3, 4, 4]
    assert clock.new_tokens == 6


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
    together = run(texts, dataclasses.replace(settings, batch_size=batch_size))[0]
    alone = [result for text in texts for result in run([text], settings)[0]]
    assert together == alone


def test_rows_leave_a_batch_and_continuations_share_a_prefill():
    settings = dataclasses.replace(GREEDY, num_return=2, max_new_tokens=4, default_bans=False)
    results, clock, runtime = run(["c", "k"], settings)
    assert [r.completion for r in results] == ["defg", "defg", "kkkk", "kkkk"]
    assert runtime.calls[0] == ("prefill", [2, 2], 6)
    assert runtime.calls[1] == ("step", 4)
    results, _, runtime = run(["c", "", "cd"], GREEDY)
    assert [call[1] for call in runtime.calls] == [[2, 1, 3], 2, 2], "the empty prompt ended at once"
    assert clock.startup == 0


def test_stop_texts_end_a_completion_and_are_left_out():
    results = run(["c", "d"], dataclasses.replace(GREEDY, default_bans=False, stop=("fg", "zz")))[0]
    assert [(r.completion, r.finish_reason) for r in results] == [("def", "length"), ("e", "stop")]
    assert results[1].text == "de"
    assert results[1].token_ids == [START, 3, 4, 5, 6]
    assert results[1].new_tokens == 3


def test_banned_texts_do_not_come():
    (result,) = run(["c"], dataclasses.replace(GREEDY, ban=("d",)))[0]
    assert "d" not in result.completion
    settings = dataclasses.replace(GREEDY, default_bans=False, ban=("de",))
    (result,) = run(["c"], settings)[0]
    assert "de" not in result.completion
    assert result.completion.startswith("d")


def test_the_end_waits_for_min_new_tokens():
    (result,) = run([""], dataclasses.replace(GREEDY, min_new_tokens=2, default_bans=False))[0]
    assert result.new_tokens >= 2


def test_logprobs_are_those_of_the_model():
    settings = Settings(sampler="random", max_new_tokens=3, seed=1, default_bans=False, logprobs=True)
    (result,) = run(["c"], settings)[0]
    logits = Successor()._logits(np.array([2, *result.token_ids[2:-1]]))
    wanted = np.log(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True))
    assert result.logprobs == pytest.approx([wanted[i, t] for i, t in enumerate(result.token_ids[2:])], abs=1e-6)
    assert run(["c"])[0][0].logprobs is None


class HalfLetters(Letters):
    """A codec in which a character takes two tokens, and half of one decodes to U+FFFD."""

    def decode(self, ids):
        ids = [index for index in ids if index not in (START, END)]
        return "".join(chr(ord("a") + first) for first in ids[1::2]) + "\ufffd" * (len(ids) % 2)


@pytest.mark.parametrize("codec", [Letters(), HalfLetters()])
@pytest.mark.parametrize("stop", [(), ("ee",), ("h", "gi"), ("fgh",)])
def test_a_stream_is_the_same_text_in_pieces(codec, stop):
    settings = Settings(sampler="random", temperature=3.0, max_new_tokens=12, seed=5, stop=stop)
    runtime = Successor()
    (prompt,) = prepare_prompts(["c"], codec, 32, settings)
    *pieces, result = stream(Decoder(runtime, codec, settings), prompt, Clock())
    (whole,) = generate(Decoder(runtime, codec, settings), [prompt], Clock())
    assert result == whole
    assert "".join(pieces) == whole.completion
    assert len(pieces) > 1 or len(whole.completion) < 2
    assert not any("\ufffd" in piece for piece in pieces[:-1])


class Windowed(Successor):
    """The best token depends on how many tokens the network reads, so that a window that begins elsewhere shows."""

    def prefill(self, prompts, capacity, rows):
        assert capacity <= 32
        lengths = [len(prompt) for prompt in prompts]
        assert max(lengths) <= self.context
        self.calls.append(lengths)
        return self._of(lengths), lengths

    def step(self, token_ids, rows, cache):
        lengths = [cache[row] + 1 for row in rows]
        assert min(lengths) <= self.context
        return self._of(lengths), lengths

    def _of(self, lengths):
        return np.eye(SIZE, dtype="float32")[[2 + length % 7 for length in lengths]]


def test_past_the_context_a_row_reads_its_own_last_part_whatever_its_neighbours():
    settings = Settings(sampler="greedy", max_new_tokens=90, default_bans=False)
    texts = ["c", "cdefghijkcdefghijkcd", "ccc"]
    codec = Letters()

    def ids(texts):
        runtime = Windowed()
        prompts = prepare_prompts(texts, codec, 32, settings)
        return [result.token_ids for result in generate(Decoder(runtime, codec, settings), prompts, Clock())]

    together = ids(texts)
    assert together == [ids([text])[0] for text in texts]
    for text, row in zip(texts, together, strict=True):
        assert len(row) == 1 + len(text) + 90
        for place in range(1 + len(text), len(row)):
            # Half the context goes each time that it is full.
            read = place if place < 32 else 16 + place % 16
            assert row[place] == 2 + read % 7


def test_a_drawn_seed_is_reported_and_gives_the_same_again():
    first = run(["c"], Settings(sampler="random", temperature=5.0))[0][0]
    again = run(["c"], Settings(sampler="random", temperature=5.0, seed=first.seed))[0][0]
    assert again == first


def test_limits():
    assert run(["c"], Settings(sampler="greedy", max_length=4))[0][0].token_ids == [START, 2, 3, 4]
    codec = Letters()
    assert prepare_prompts(["c" * 10], codec, 32, Settings())[0].max_new_tokens == 21
    assert prepare_prompts(["c" * 10], codec, 1024, Settings())[0].max_new_tokens == 128
    assert prepare_prompts(["c" * 10], codec, 32, Settings(max_length=100))[0].max_new_tokens == 89


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        ("c" * 31, Settings(), "has 32 tokens, start token included; the model's context is 32"),
        ("c" * 5, Settings(max_length=6), "leaves nothing to generate"),
        ("c" * 5, Settings(sampler="beam", max_new_tokens=27), "beam search does not go past it"),
    ],
)
def test_prompts_without_room_are_refused(text, settings, words):
    with pytest.raises(RequestError, match=words):
        prepare_prompts([text], Letters(), 32, settings)


@pytest.mark.parametrize(
    "values",
    [
        {"sampler": "beams"},
        {"beams": 0},
        {"sampler": "beam", "num_return": 5},
        {"length_penalty": float("nan")},
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
        {"min_p": 0.0},
        {"typical_p": 1.5},
        {"repetition_penalty": 0.0},
        {"no_repeat_ngram": -1},
        {"min_new_tokens": -1},
        {"ban": ("",)},
    ],
)
def test_settings_that_mean_nothing_are_refused(values):
    with pytest.raises(RequestError, match=next(iter(values)) if len(values) == 1 else "|".join(values)):
        Settings(**values)
