"""A Chinese task's own `generate` against KerasHub's on the same task."""

import keras
import keras_hub
import numpy as np
import pytest

from kgpt2.checkpoints.preset import read_preset

pytestmark = pytest.mark.backends
LENGTH = 24


class Second(keras_hub.samplers.Sampler):
    """A sampler of a user's own: the second best token."""

    def get_next_token(self, probabilities):
        return keras.ops.top_k(probabilities, 2)[1][:, 1]


SAMPLERS = {
    "greedy": lambda: "greedy",
    "top_k": lambda: keras_hub.samplers.TopKSampler(k=5, temperature=0.7, seed=1),
    "top_p": lambda: keras_hub.samplers.TopPSampler(p=0.9, k=20, seed=2),
    "random": lambda: keras_hub.samplers.RandomSampler(temperature=3.0, seed=3),
    "of one's own": Second,
}


@pytest.fixture
def task(chinese_preset):
    import kgpt2.models as models

    return models.load_task(read_preset(chinese_preset))


def rows(*prompts, length=LENGTH):
    token_ids = np.zeros((len(prompts), length), "int32")
    mask = np.zeros_like(token_ids)
    for row, prompt in enumerate(prompts):
        token_ids[row, : len(prompt)], mask[row, : len(prompt)] = prompt, 1
    return {"token_ids": token_ids, "padding_mask": mask}


def both(task, sampler, inputs, stop):
    """What the engine makes of a batch, and what KerasHub does."""
    task.compile(sampler=sampler())
    ours = task.make_generate_function()(dict(inputs), stop_token_ids=stop)
    task.compile(sampler=sampler())
    theirs = keras_hub.models.CausalLM.make_generate_function(task)(dict(inputs), stop_token_ids=stop)
    theirs = {name: keras.ops.convert_to_numpy(value) for name, value in theirs.items()}
    return ours, theirs


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_every_sampler_gives_what_kerashub_gives(task, sampler):
    ours, theirs = both(task, sampler, rows([2, 7, 9, 11], [2, 8, 8, 10]), None)
    assert np.array_equal(ours["token_ids"], theirs["token_ids"])
    assert ours["padding_mask"].all()
    assert theirs["padding_mask"].all()


def test_rows_of_any_length_with_gaps_and_full_ones(task):
    inputs = rows([2], [2, 7, 9, 11, 14], list(range(2, 2 + LENGTH)), [2, 5, 6])
    inputs["token_ids"][1, 9], inputs["padding_mask"][1, 9] = 12, 1  # given in the midst of what is to be filled in
    ours, theirs = both(task, SAMPLERS["greedy"], inputs, None)
    assert np.array_equal(ours["token_ids"], theirs["token_ids"])
    full = rows(list(range(2, 2 + LENGTH)))
    assert np.array_equal(both(task, SAMPLERS["greedy"], full, None)[0]["token_ids"], full["token_ids"])


def test_rows_end_at_the_first_stop_token_that_was_not_given(task):
    inputs = rows([2, 7, 9], [2, 8, 8])
    free = both(task, SAMPLERS["random"], inputs, None)[0]["token_ids"]
    stop = (int(free[0, 8]), int(free[1, 6]), 7)
    ours, theirs = both(task, SAMPLERS["random"], inputs, stop)
    assert np.array_equal(ours["padding_mask"], theirs["padding_mask"])
    kept = ours["padding_mask"]
    assert not kept.all(), "some row ended early"
    assert np.array_equal(ours["token_ids"][kept], theirs["token_ids"][kept])


def test_a_row_of_nothing_is_refused(task):
    task.compile(sampler="greedy")
    with pytest.raises(ValueError, match="at least one token"):
        task.make_generate_function()(rows([2], []))


def test_texts_in_texts_out(task):
    task.compile(sampler="greedy")
    prompts = ["春眠", "白日依山尽，黄河"]
    texts = task.generate(prompts, max_length=LENGTH)
    stripped = task.generate(prompts, max_length=LENGTH, strip_prompt=True)
    for prompt, text, completion in zip(prompts, texts, stripped, strict=True):
        assert text.startswith(prompt)
        assert completion
        assert text.endswith(completion)
    assert task.generate("春眠", max_length=LENGTH) == texts[0]


def test_beam_search_is_left_to_kerashub(task):
    task.compile(sampler=keras_hub.samplers.BeamSampler(num_beams=2))
    assert task.generate("春眠", max_length=12)
    assert task._runtime is None


@pytest.mark.skipif(keras.config.backend() == "torch", reason="torch runs eagerly")
def test_neither_sampler_nor_length_compiles_anew(task):
    for sampler, length in zip(SAMPLERS.values(), (24, 20, 30, 16, 24), strict=True):
        task.compile(sampler=sampler())
        task.generate("春眠", max_length=length)
        assert task._runtime.compilations == 3, "weights, prefill and step"


def test_weights_and_layers_added_after_a_call_count(task):
    inputs = rows([2, 7, 9, 11])
    before = both(task, SAMPLERS["greedy"], inputs, None)[0]["token_ids"]
    task.backbone.enable_lora(2)
    for variable in task.trainable_variables:
        if "lora" in variable.path:
            variable.assign(keras.random.normal(variable.shape, seed=5))
    ours, theirs = both(task, SAMPLERS["greedy"], inputs, None)
    assert np.array_equal(ours["token_ids"], theirs["token_ids"])
    assert not np.array_equal(ours["token_ids"], before)
