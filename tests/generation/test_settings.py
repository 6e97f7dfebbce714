"""What a setting may be, and what a prompt may be."""

import copy
import dataclasses
import pickle
import re

import numpy as np
import pytest

import kgpt2
from kgpt2.config.settings import Settings
from kgpt2.errors import RequestError

INF, NAN = float("inf"), float("nan")
WHOLE = (
    "k",
    "beams",
    "no_repeat_ngram",
    "max_new_tokens",
    "max_length",
    "min_new_tokens",
    "num_return",
    "batch_size",
    "best_of",
)
SHARES = ("p", "min_p", "typical_p")
NUMBERS = (*SHARES, "temperature", "repetition_penalty", "length_penalty")
TEXTS = ("ban", "keywords", "rhyme_words", "stop")
NAMES = ("sampler", "tones", "repeats", "script")
FLAGS = ("early_stopping", "default_bans", "logprobs", "as_typed")
WRONG = {
    **{name: [1.5, 2.0, True, "5", b"5", -1, NAN, INF, 2**31, 10**5000, [3], np.array([3])] for name in WHOLE},
    "seed": [1.5, True, "5", -1, 2**64, 10**5000],
    **{name: [NAN, INF, -INF, True, "0.5", 1j, [0.5], 10**400] for name in NUMBERS},
    **{name: [b"a", 5, ["a", None], [b"a"], [""], "", {"a": 1}, {"a"}, "\ud800", ["a\udfff"]] for name in TEXTS},
    **{name: [5, b"off", True, "nonsense", ["off"], np.array("off")] for name in NAMES},
    **{name: [1, 0, "yes", None, 1.0] for name in FLAGS},
    **{name: [None, 5, b"a", "\ud800"] for name in ("form", "acrostic", "title")},
    "rhyme": [5, b"off", True, ["off"], "\ud800"],
}
NOT_NONE = ("k", "p", "beams", "temperature", "stop", "ban", "sampler", "num_return", "batch_size")


def test_every_setting_is_tried():
    assert set(WRONG) == {field.name for field in dataclasses.fields(Settings)}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_refused_by_name(name):
    for value in [*WRONG[name], *([None] if name in NOT_NONE else [])]:
        with pytest.raises(RequestError) as error:
            Settings(**{name: value})
        message = str(error.value)
        assert message.startswith(name)
        assert len(message) < 200
        assert message.isprintable()


@pytest.mark.parametrize("name", [*SHARES, "temperature", "repetition_penalty"])
def test_what_is_no_share_or_would_leave_float32(name):
    for value in (0.0, -0.5, 1.5 if name in SHARES else 1e300, -1e-300):
        with pytest.raises(RequestError, match=f"^{name}: {re.escape(str(value))} will not do"):
            Settings(**{name: value})


def test_numbers_of_numpy_and_one_text_are_taken():
    settings = Settings(
        k=np.int64(7), temperature=np.float32(0.5), p=1, default_bans=np.bool_(False), seed=np.uint64(2**63), stop="cat"
    )
    values = (settings.k, settings.temperature, settings.p, settings.default_bans, settings.seed, settings.stop)
    assert values == (7, 0.5, 1.0, False, 2**63, ("cat",))
    assert list(map(type, values)) == [int, float, float, bool, int, tuple]
    assert Settings(ban=["a", "bc"], stop=np.array(["d"])) == Settings(ban=("a", "bc"), stop=("d",))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("temprature", "; did you mean temperature\\?"),
        ("top_k", "; here it is called k$"),
        ("num_return_sequences", "; here it is called num_return$"),
        ("K", "$"),
    ],
)
def test_a_name_that_is_none(wrong, hint, chinese_preset):
    lm = kgpt2.load(chinese_preset)
    for call in (Settings, lambda **values: lm.generate("春", **values), lambda **values: lm.stream("春", **values)):
        with pytest.raises(RequestError, match=f"^{wrong}: there is no such setting{hint}"):
            call(**{wrong: 1})


def test_a_value_near_another():
    with pytest.raises(RequestError, match="top_p, random, beam; did you mean top_p"):
        Settings(sampler="topp")
    with pytest.raises(RequestError, match="did you mean bfloat16"):
        kgpt2.load("mini_zh", dtype="bfloat")


def test_settings_are_values():
    settings = Settings(k=3, stop=["。"])
    assert pickle.loads(pickle.dumps(settings)) == copy.deepcopy(settings) == settings
    assert dataclasses.replace(settings, k=4) == Settings(k=4, stop=("。",))


@pytest.fixture(scope="module")
def lm(chinese_preset):
    return kgpt2.load(chinese_preset)


@pytest.mark.parametrize(
    "prompt",
    [None, 5, 1.5, b"abc", bytearray(b"a"), {"a": 1}, {"a"}, ["a", None], ["a", b"b"], [["a"]], "a\ud800"],
    ids=repr,
)
def test_prompts_that_are_no_texts(lm, prompt):
    for name, call in (("prompts", lm.generate), ("texts", lm.score)):
        with pytest.raises(RequestError, match=f"^{name}"):
            call(prompt)
    with pytest.raises(RequestError, match=r"^prompt: "):
        lm.stream(prompt)


def test_no_prompts_and_every_way_to_give_some(lm):
    assert lm.generate([]) == lm.generate(iter([])) == lm.generate([], sampler="beam") == lm.score([]) == []
    (wanted,) = lm.generate("春", seed=1, max_new_tokens=3)
    for prompts in (("春",), iter(["春"]), np.array(["春"])):
        assert lm.generate(prompts, seed=1, max_new_tokens=3) == [wanted]


def test_what_a_stream_cannot_show(lm):
    for changes in ({"sampler": "beam"}, {"script": "traditional"}, {"num_return": 2}):
        with pytest.raises(RequestError, match=r"^stream: "):
            lm.stream("春", **changes)


@pytest.mark.parametrize("settings", [{"k": 5}, 5, "greedy"], ids=repr)
def test_settings_that_are_none(lm, settings):
    with pytest.raises(RequestError, match=r"^settings: "):
        lm.generate("春", settings)


@pytest.mark.parametrize("take", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_model_is_loaded_by_name_not_copied(lm, take):
    with pytest.raises(RequestError, match=r"cannot be copied or pickled[^\n]*\nload it by name.*kgpt2\.load\('"):
        take(lm)


@pytest.mark.parametrize("model", [None, 5, ["mini_zh"]])
def test_models_that_are_no_names(model):
    with pytest.raises(RequestError, match=r"^model: "):
        kgpt2.load(model)


@pytest.mark.backends
@pytest.mark.parametrize("runtime", ["openvino", "keras"])
def test_values_at_their_limits_give_texts(chinese_preset, runtime):
    lm = kgpt2.load(chinese_preset, runtime=runtime)
    greedy = lm.generate("春眠", sampler="greedy", max_new_tokens=4)[0].completion
    for changes in ({"temperature": 1e-6}, {"p": 1e-300}, {"min_p": 1.0}, {"sampler": "top_k", "k": 1}):
        assert lm.generate("春眠", max_new_tokens=4, **changes)[0].completion == greedy, changes
    changes = [{"temperature": 1e6}, {"repetition_penalty": 1e6}, {"repetition_penalty": 1e-6}, {"typical_p": 1e-300}]
    changes += [{"k": 2**31 - 1, "no_repeat_ngram": 2**31 - 1}, {"min_p": 1e-300}, {"seed": 2**64 - 1}]
    changes += [{"sampler": "beam", "length_penalty": value} for value in (-10, 10)]
    for values in changes:
        assert lm.generate("春眠", min_new_tokens=3, max_new_tokens=4, **values)[0].completion, values
