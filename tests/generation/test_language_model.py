"""`kgpt2.load` on both runtimes."""

import numpy as np
import pytest

import kgpt2
from kgpt2.config.settings import Settings
from kgpt2.errors import RequestError
from kgpt2.generation import language_model
from kgpt2.generation.language_model import choose_runtime

PROMPTS = {"chinese_preset": ["春眠不觉晓", "", "白日"], "english_preset": ["hello world", "", "the worl"]}


@pytest.fixture(params=PROMPTS)
def preset(request):
    return request.getfixturevalue(request.param), PROMPTS[request.param]


@pytest.mark.backends
def test_the_runtimes_write_the_same(preset):
    folder, prompts = preset
    settings = Settings(seed=3, num_return=2, max_new_tokens=20, no_repeat_ngram=3, repetition_penalty=1.1)
    texts = [
        [result.text for result in kgpt2.load(folder, runtime=runtime).generate(prompts, settings)]
        for runtime in ("openvino", "keras")
    ]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 2 * len(prompts)


@pytest.mark.backends
@pytest.mark.parametrize("runtime", ["openvino", "keras"])
def test_scores_are_log_probabilities_of_the_text(preset, runtime):
    folder, prompts = preset
    lm = kgpt2.load(folder, runtime=runtime)
    for text, score in zip(prompts, lm.score(prompts), strict=True):
        ids = [lm.tokenizer.start_id, *lm.tokenizer.encode(text), lm.tokenizer.end_id]
        assert score.token_ids == ids
        logits = lm.runtime.logits([ids[:-1]])[0].astype("float64")
        wanted = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        assert score.logprobs == pytest.approx([wanted[i, t] for i, t in enumerate(ids[1:])], abs=1e-6)
        assert score.loss == pytest.approx(-np.mean(score.logprobs))
    with pytest.raises(RequestError, match="the context is 64"):
        lm.score("春" * 64 if lm.checkpoint.is_chinese else "z" * 64)


def test_one_prompt_settings_by_name_and_a_stream(chinese_preset):
    lm = kgpt2.load(str(chinese_preset))
    (result,) = lm.generate("春眠", sampler="greedy", max_new_tokens=12)
    assert result.text == "春眠" + result.completion
    pieces = list(lm.stream("春眠", sampler="greedy", max_new_tokens=12))
    assert "".join(pieces) == result.completion
    assert len(pieces) > 1
    with pytest.raises(RequestError, match="temperature"):
        lm.generate("春", temperature=0)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8", "int4"])
def test_small_types(chinese_preset, dtype):
    results = kgpt2.load(chinese_preset, dtype=dtype).generate(["春眠", "白"], seed=1, max_new_tokens=5)
    assert [result.new_tokens <= 5 for result in results] == [True, True]


def test_the_choice_of_a_runtime(monkeypatch, tmp_path):
    assert choose_runtime("float32", "auto") == "openvino"
    assert choose_runtime("float32", "keras") == "keras"
    with pytest.raises(RequestError, match="int8 is for the openvino runtime"):
        choose_runtime("int8", "keras")
    (tmp_path / "device").write_text("")
    monkeypatch.setattr(language_model, "_ACCELERATORS", (str(tmp_path / "device"),))
    assert choose_runtime("float32", "auto") == "keras"
    assert choose_runtime("int8", "auto") == "openvino"
    monkeypatch.setattr(language_model.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"^openvino is not installed here; the whole of kgpt2"):
        choose_runtime("float32", "openvino")
    monkeypatch.setattr(language_model, "_ACCELERATORS", ())
    assert choose_runtime("float32", "auto") == "keras"


def test_wrong_names():
    for values, words in (({"dtype": "int2"}, "dtype: 'int2'"), ({"runtime": "onnx"}, "runtime: 'onnx'")):
        with pytest.raises(RequestError, match=words):
            language_model.open_runtime(None, **values)
