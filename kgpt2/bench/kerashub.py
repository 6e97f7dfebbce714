"""The routes of KerasHub, as its tutorial has them: a task's own generate, and Keras' fit of the task."""

import functools

import kgpt2.models as models  # first: it brings Keras up the quiet way

import keras  # isort: skip
import keras_hub  # isort: skip
import numpy as np

from kgpt2.bench.drawn import drawn_prompts
from kgpt2.bench.fitting import drawn_batches, timed_fit
from kgpt2.bench.reply import timed
from kgpt2.bench.turns import Answer
from kgpt2.checkpoints.checkpoint import Checkpoint, Tokenizer
from kgpt2.checkpoints.names import read_model


def prepare(route: str, model: str, **shape: int) -> Answer:
    """Loads the task; requests are calls of generate, or steps of fit.

    Args:
        route: "kerashub-generate" or "kerashub-fit".
        model: any MODEL.
        **shape: of `generating` or `fitting`.
    """
    checkpoint = read_model(model)
    task = load_with_keras_hub(checkpoint)
    task.preprocessor = None
    work = generating if route == "kerashub-generate" else fitting
    return work(task, checkpoint.tokenizer, **shape)


def load_with_keras_hub(checkpoint: Checkpoint) -> keras_hub.models.CausalLM:
    """The task, its generate KerasHub's own also where kgpt2's class would use its engine."""
    task = models.load_task(checkpoint)
    task.make_generate_function = functools.partial(keras_hub.models.CausalLM.make_generate_function, task)
    return task


def generating(
    task: keras_hub.models.CausalLM, tokenizer: Tokenizer, batch: int, prompt_tokens: int, new_tokens: int
) -> Answer:
    """Calls of greedy generate on token ids, without an end token."""
    task.compile(sampler="greedy")
    ids = np.zeros((batch, prompt_tokens + new_tokens), "int32")
    ids[:, :prompt_tokens] = drawn_prompts(tokenizer, batch, prompt_tokens)
    mask = (np.arange(ids.shape[1]) < prompt_tokens).astype("int32")[None].repeat(batch, 0)
    inputs = {"token_ids": ids, "padding_mask": mask}
    return timed(lambda: task.generate(inputs, stop_token_ids=None), batch * new_tokens)


def fitting(task: keras_hub.models.CausalLM, tokenizer: Tokenizer, batch: int, width: int, steps: int) -> Answer:
    """Calls of fit, compiled as the tutorial does it."""
    task.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.PolynomialDecay(5e-5, 500, 0.0)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],
    )
    return timed_fit(task, drawn_batches(tokenizer, batch, width, steps), batch, steps)
