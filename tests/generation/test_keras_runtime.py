"""The Keras runtime against the plain forward pass of the same task."""

import keras
import numpy as np
import pytest

from kgpt2.checkpoints.preset import read_preset
from kgpt2.generation.engine import Clock, generate, prepare_prompts
from kgpt2.generation.keras_runtime import KerasRuntime
from kgpt2.generation.settings import Settings

pytestmark = pytest.mark.backends
TEXTS = {
    "chinese_preset": ["春眠", "白日依山尽，黄河", "", "千"],
    "english_preset": ["hello", "hello world", "", "the worl"],
}


@pytest.fixture(params=TEXTS)
def loaded(request):
    import kgpt2.models as models

    preset = read_preset(request.getfixturevalue(request.param))
    return models.load_task(preset), preset.tokenizer, TEXTS[request.param]


def forward(task, ids):
    ids = np.array([ids], dtype="int32")
    return keras.ops.convert_to_numpy(task({"token_ids": ids, "padding_mask": np.ones_like(ids)}))[0]


def test_logits_with_a_cache_equal_those_without(loaded):
    task, codec, texts = loaded
    runtime = KerasRuntime(task)
    ids = [codec.start_id, *codec.encode(texts[1])]
    padded = np.full((2, 16), codec.pad_id)
    padded[0, -3:], padded[1, -2:] = ids[:3], ids[:2]
    logits, cache = runtime.prefill(padded, np.array([13, 14]), 32)
    whole = forward(task, ids)
    assert np.abs(logits - whole[[2, 1]]).max() < 1e-4
    for position in range(3, len(ids)):
        fed = np.array([ids[position], ids[position - 1]])
        logits, cache = runtime.step(fed, np.arange(2), cache)
        assert np.abs(logits - whole[[position, position - 1]]).max() < 1e-4
    logits, cache = runtime.step(np.array([ids[-1]] * 3), np.array([1, 1, 1]), cache)
    assert np.abs(logits - whole[-1]).max() < 1e-4, "rows can be left out and doubled"
    assert np.abs(runtime.logits(padded, np.array([13, 14]))[0, -3:] - whole[:3]).max() < 1e-4


def test_greedy_equals_the_plain_forward_pass(loaded):
    task, codec, texts = loaded
    runtime = KerasRuntime(task)
    settings = Settings(sampler="greedy", max_new_tokens=20)
    results = generate(runtime, codec, prepare_prompts(texts, codec, runtime.context, settings), settings, Clock())
    for text, result in zip(texts, results, strict=True):
        ids = [codec.start_id, *codec.encode(text)]
        for _ in range(20):
            scores = forward(task, ids)[-1]
            scores[list(codec.default_bans)] = -np.inf
            if scores.argmax() == codec.end_id:
                break
            ids.append(int(scores.argmax()))
        assert result.token_ids == ids


@pytest.mark.skipif(keras.config.backend() == "torch", reason="torch runs eagerly")
def test_no_sampler_and_no_setting_compiles_anew(loaded):
    task, codec, texts = loaded
    runtime = KerasRuntime(task)
    for settings in [
        Settings(sampler="greedy"),
        Settings(sampler="top_k", k=3, temperature=0.5),
        Settings(sampler="top_p", p=0.5, seed=9),
        Settings(sampler="random", max_new_tokens=50, repetition_penalty=1.2, no_repeat_ngram=2, min_p=0.1),
    ]:
        list(generate(runtime, codec, prepare_prompts(texts, codec, runtime.context, settings), settings, Clock()))
        assert runtime.compilations == 2, "prefill and step"


def test_weights_are_read_anew_at_each_call(loaded):
    task, codec, texts = loaded
    runtime = KerasRuntime(task)
    ids = np.array([[codec.start_id, *codec.encode(texts[1])]])
    pads = np.zeros(1, dtype="int32")
    before, _ = runtime.prefill(ids, pads, 32)
    task.backbone.layer_norm.beta.assign(task.backbone.layer_norm.beta + 1.0)
    after, _ = runtime.prefill(ids, pads, 32)
    assert np.abs(after - forward(task, ids[0])[-1]).max() < 1e-4
    assert np.abs(after - before).max() > 0.1
