"""The Keras runtime against the plain forward pass of the same task."""

import dataclasses

import keras
import numpy as np
import pytest

from kgpt2.checkpoints.preset import read_preset
from kgpt2.config.settings import Settings
from kgpt2.generation.decoder import Decoder
from kgpt2.generation.generate import Clock, generate, stream
from kgpt2.generation.keras.runtime import KerasRuntime
from kgpt2.generation.prompts import prepare_prompts

pytestmark = pytest.mark.backends
WIDTH = 64  # of the presets' context
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
    """Logits `(tokens, vocabulary)`; always computed in one width, for each of which JAX compiles every operation."""
    mask = (np.arange(WIDTH) < len(ids))[None].astype("int32")
    padded = np.zeros_like(mask)
    padded[0, : len(ids)] = ids
    return keras.ops.convert_to_numpy(task({"token_ids": padded, "padding_mask": mask}))[0, : len(ids)]


def test_logits_with_a_cache_equal_those_without(loaded):
    task, codec, texts = loaded
    runtime = KerasRuntime(task)
    ids = [codec.start_id, *codec.encode(texts[1])]
    logits, cache = runtime.prefill([ids[:3], ids[:2]], 32, 4)
    whole = forward(task, ids)
    assert np.abs(logits - whole[[2, 1]]).max() < 1e-4
    for position in range(3, len(ids)):
        fed = np.array([ids[position], ids[position - 1]], "int32")
        logits, cache = runtime.step(fed[:, None], np.arange(2), cache)
        assert np.abs(logits - whole[[position, position - 1]]).max() < 1e-4
    logits, cache = runtime.step(np.array([[ids[-1]]] * 3), np.array([1, 1, 1]), cache)
    assert np.abs(logits - whole[-1]).max() < 1e-4, "rows can be left out and doubled"
    logits, cache = runtime.step(np.array([ids[1:3]] * 2), np.array([2, 0]), cache)
    longer = forward(task, [*ids, *ids[1:3]])
    assert np.abs(logits - longer[-1]).max() < 1e-4, "several tokens at once"
    assert np.abs(runtime.logits([ids[:3], ids[:2]])[0] - whole[:3]).max() < 1e-4


def test_rows_leave_and_change_places_without_another_program(loaded):
    task, codec, texts = loaded
    runtime = KerasRuntime(task)
    rows = [[codec.start_id, *codec.encode(text)][:length] for text, length in zip(texts, (4, 2, 3), strict=False)]
    _, cache = runtime.prefill(rows, 20, 3)
    compilations = set()
    for order in ([0, 1, 2], [2, 0], [1, 0], [1, 0], [0]):
        tokens = np.arange(7, 7 + len(order), dtype="int32")
        rows = [[*rows[place], int(token)] for place, token in zip(order, tokens, strict=True)]
        logits, cache = runtime.step(tokens[:, None], np.array(order), cache)
        compilations.add(runtime.compilations)
        for row, found in zip(rows, logits, strict=True):
            assert np.abs(found - forward(task, row)[-1]).max() < 1e-4
    assert len(compilations) == 1


def test_greedy_equals_the_plain_forward_pass(loaded):
    task, codec, texts = loaded
    runtime = KerasRuntime(task)
    settings = Settings(sampler="greedy", max_new_tokens=20)
    prompts = prepare_prompts(texts, codec, runtime.context, settings)
    results = generate(Decoder(runtime, codec, settings), prompts, Clock())
    for text, result in zip(texts, results, strict=True):
        ids = [codec.start_id, *codec.encode(text)]
        for _ in range(20):
            scores = forward(task, ids)[-1]
            scores[list(codec.default_bans)] = -np.inf
            if scores.argmax() == codec.end_id:
                break
            ids.append(int(scores.argmax()))
        assert result.token_ids == ids


def both_ways(runtime, codec, texts, settings):
    """Generations of the compiled loop, and of the same runtime stepped by the host."""
    prompts = prepare_prompts(texts, codec, runtime.context, settings)
    compiled = list(generate(Decoder(runtime, codec, settings), prompts, Clock()))
    loop, runtime.loop = runtime.loop, None
    stepped = list(generate(Decoder(runtime, codec, settings), prompts, Clock()))
    runtime.loop = loop
    return compiled, stepped


not_on_torch = pytest.mark.skipif(keras.config.backend() == "torch", reason="torch computes step by step")
SETTINGS = [
    Settings(sampler="greedy"),
    Settings(sampler="greedy", repetition_penalty=1.3, no_repeat_ngram=2, min_new_tokens=5),
    Settings(sampler="top_k", k=3, temperature=0.5),
    Settings(sampler="top_p", p=0.5),
    Settings(sampler="top_p", p=0.9, k=0, no_repeat_ngram=3),
    Settings(sampler="random", repetition_penalty=1.2, min_p=0.1),
    Settings(sampler="random", temperature=2.0, typical_p=0.8),
    Settings(sampler="random", max_new_tokens=5, default_bans=False),
    Settings(sampler="random", max_new_tokens=20, min_new_tokens=20),
    Settings(sampler="top_k", k=10, logprobs=True),
]


@not_on_torch
def test_the_compiled_loop_takes_the_tokens_of_the_stepped_one_and_compiles_once(loaded):
    task, codec, texts = loaded
    runtime = KerasRuntime(task)
    prompts = [codec.start_id, *codec.encode(texts[1])]
    assert len(prompts) < 16
    compilations = []
    for settings in SETTINGS:
        settings = dataclasses.replace(settings, seed=9, max_new_tokens=settings.max_new_tokens or 40)
        prepared = prepare_prompts(texts, codec, runtime.context, settings)
        list(generate(Decoder(runtime, codec, settings), prepared, Clock()))
        compilations.append(runtime.compilations)
    assert compilations == [3] * len(SETTINGS), "weights, prefill and loop, for all ten settings together"
    for settings in SETTINGS:
        settings = dataclasses.replace(settings, seed=9, max_new_tokens=settings.max_new_tokens or 40)
        compiled, stepped = both_ways(runtime, codec, texts, settings)
        for one, other in zip(compiled, stepped, strict=True):
            assert one.token_ids == other.token_ids
            assert one.finish_reason == other.finish_reason
            assert one.logprobs == (other.logprobs and pytest.approx(other.logprobs, abs=1e-4))


@not_on_torch
@pytest.mark.parametrize(
    "changes",
    [
        {"num_return": 3},
        {"ban": ("山", "the w", "日依")},
        {"stop": ("山", "o w")},
        {"max_new_tokens": 100, "no_repeat_ngram": 4},
        {"batch_size": 3},
    ],
    ids=str,
)
def test_what_changes_a_shape_changes_no_token(loaded, changes):
    task, codec, texts = loaded
    settings = Settings(**{"sampler": "random", "temperature": 1.5, "seed": 3, "max_new_tokens": 30, **changes})
    prompts = texts[:1] if settings.num_return > 1 else texts
    compiled, stepped = both_ways(KerasRuntime(task), codec, prompts, settings)
    assert [one.token_ids for one in compiled] == [one.token_ids for one in stepped]
    assert [one.text for one in compiled] == [one.text for one in stepped]


@not_on_torch
def test_a_stream_comes_in_blocks_and_is_the_same_text(loaded):
    task, codec, texts = loaded
    runtime = KerasRuntime(task)
    settings = Settings(sampler="random", seed=3, max_new_tokens=30, min_new_tokens=30)
    (prompt,) = prepare_prompts(texts[1:2], codec, runtime.context, settings)
    *pieces, result = stream(Decoder(runtime, codec, settings), prompt, Clock())
    assert result == next(generate(Decoder(runtime, codec, settings), [prompt], Clock()))
    assert "".join(pieces) == result.completion
    assert 3 <= len(pieces) <= 6, "the first token, blocks of eight, half a character at the end"


@not_on_torch
def test_compiling_counts_as_start_up_and_generating_does_not(loaded):
    task, codec, texts = loaded
    runtime, cold, warm = KerasRuntime(task), Clock(), Clock()
    settings = Settings(sampler="greedy", max_new_tokens=20, min_new_tokens=20)
    prompts = prepare_prompts(texts, codec, runtime.context, settings)
    for clock in (cold, warm):
        list(generate(Decoder(runtime, codec, settings), prompts, clock))
    assert cold.startup == runtime.compile_seconds > warm.generating
    assert warm.startup == 0
    assert cold.new_tokens == warm.new_tokens == 80


def test_weights_are_read_anew_at_each_call(loaded):
    task, codec, texts = loaded
    runtime = KerasRuntime(task)
    ids = [codec.start_id, *codec.encode(texts[1])]
    before, _ = runtime.prefill([ids], 32, 1)
    task.backbone.layer_norm.beta.assign(task.backbone.layer_norm.beta + 1.0)
    after, _ = runtime.prefill([ids], 32, 1)
    assert np.abs(after - forward(task, ids)[-1]).max() < 1e-4
    assert np.abs(after - before).max() > 0.1
