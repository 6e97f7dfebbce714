"""Forms in the engine: whatever a model would rather say, every text has its form."""

import keras
import pytest

import kgpt2
from benchmarks.verse.forms import DRAWN, FORMS, check
from kgpt2.config.settings import Settings
from kgpt2.errors import RequestError
from kgpt2.verse.notation import form_of_text, parse


@pytest.fixture(scope="module", params=["openvino", pytest.param("keras", marks=pytest.mark.backends)])
def lm(request, verse_preset):
    return kgpt2.load(verse_preset, runtime=request.param)


@pytest.mark.parametrize("name", FORMS)
def test_every_text_is_valid(lm, name):
    found = check(lm, name, 50)
    assert found["texts"] == 100
    assert not found["faults"], found["first_faults"]
    assert found["different"] > 90


def test_the_form_wins_over_every_ban(lm):
    banned = {"ban": ("，", "。", "春"), "no_repeat_ngram": 1, "repetition_penalty": 3.0, "sampler": "greedy"}
    texts = [one.text for one in lm.generate(["", "春"], acrostic="春春", form="7，7。7，7。", **banned)]
    for text in texts:
        assert form_of_text(text) == parse("七绝")
        assert text[0] == text[8] == "春"
        assert text.count("春") == 2


def test_rows_of_different_lengths_and_ways_in_one_batch(lm):
    prompts = ["", "白日依山尽，", "春", "千山鸟飞绝，万径人踪灭。孤舟"]
    rules = {"form": "五绝", "tones": "loose", "temperature": 1.5, "num_return": 3}
    found = lm.generate(prompts[:3], seed=1, **rules)
    assert [one.prompt for one in found] == [prompt for prompt in prompts[:3] for _ in range(3)]
    assert all(form_of_text(one.text) == parse("五绝") and one.text.startswith(one.prompt) for one in found)
    assert {one.finish_reason for one in found} == {"stop"}
    assert [one.new_tokens for one in found] == [24] * 3 + [18] * 3 + [23] * 3
    alone = lm.generate(prompts[1], seed=1, **rules)
    assert [one.text for one in alone] == [one.text for one in found[3:6]], "neighbours do not matter"
    with pytest.raises(RequestError, match="belongs"):
        lm.generate(prompts, **rules)


def test_what_a_form_settles_takes_no_step_of_its_own(lm, monkeypatch):
    if lm.runtime.loop is not None:
        pytest.skip("the backend's loop takes one token at a time")
    asked = {"form": "五绝", "acrostic": "春夏秋冬", "num_return": 3, "seed": 1}
    counts, step = [], lm.runtime.step

    def counted(token_ids, rows, cache):
        counts.append(token_ids.shape[1])
        return step(token_ids, rows, cache)

    monkeypatch.setattr(lm.runtime, "step", counted)
    found = lm.generate("", **asked)
    # The last character of a line, its mark and the first one of the next line at once; the last mark is no question.
    assert counts == [1] * 4 + [3, 1, 1, 1] * 3
    alone = lm.generate("", logprobs=True, **asked)
    assert counts[16:] == [1] * 23, "each token needs its logits"
    assert [one.text for one in alone] == [one.text for one in found]


def test_beams_and_streams_keep_it_too(lm):
    for one in lm.generate(["", "春风"], sampler="beam", num_return=2, form="对联", tones="strict"):
        assert form_of_text(one.text) == parse("对联")
    pieces = list(lm.stream("春风", form="五绝", seed=3))
    assert len(pieces) > 1
    assert form_of_text("春风" + "".join(pieces)) == parse("五绝")


def test_traditional_characters(lm):
    (one,) = lm.generate("風", form="五绝", script="traditional", seed=4)
    assert one.prompt == "風"
    assert one.text.startswith("風")
    assert one.text == "風" + one.completion
    from kgpt2.verse.script import convert_script

    (simplified,) = convert_script([one.text], "simplified")
    (again,) = lm.generate("风", form="五绝", seed=4)
    assert simplified == again.text
    assert simplified != one.text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"form": "五绝", "max_new_tokens": 20}, "max_new_tokens: 20 is not enough, the form needs 24"),
        ({"form": "五绝", "max_length": 20}, "max_length: 20 is not enough"),
        ({"form": "7，7。" * 7}, "the form needs 112 more characters and marks, the context is 96"),
        ({"form": "五绝", "stop": ("，",)}, "stop: a form has its own end"),
        ({"form": "五绝", "min_new_tokens": 30}, "min_new_tokens: a form has its own end"),
        ({"tones": "strict"}, "tones: belongs to a form"),
        ({"form": "五绝", "tones": "exact"}, "tones: exact will not do"),
        ({"form": "五绝", "rhyme": "yes"}, "rhyme: 'yes' will not do"),
        ({"script": "latin"}, "script: latin will not do"),
    ],
)
def test_requests_that_cannot_be(verse_preset, settings, words):
    with pytest.raises(RequestError, match=words):
        kgpt2.load(verse_preset, runtime="openvino").generate("", **settings)


def test_a_model_without_chinese_characters(english_preset, chinese_preset):
    for preset in (english_preset, chinese_preset):
        with pytest.raises(RequestError, match="one Chinese character"):
            kgpt2.load(preset, runtime="openvino").generate("", form="五绝")


@pytest.mark.backends
@pytest.mark.skipif(keras.config.backend() == "torch", reason="nothing is compiled on PyTorch")
def test_forms_of_one_size_share_their_programs(verse_preset):
    lm = kgpt2.load(verse_preset, runtime="keras")
    lm.generate("", form="五绝", num_return=4)
    before = lm.runtime.compilations
    for rules in ({"form": "7，7。"}, {"form": "对联"}, {"form": "五绝", "temperature": 0.5, "no_repeat_ngram": 2}):
        lm.generate("", num_return=4, **rules)
    assert lm.runtime.compilations == before


def test_settings_are_what_the_benchmark_draws_with():
    assert Settings(**DRAWN).temperature == 1.5
    assert len(FORMS) == 12
