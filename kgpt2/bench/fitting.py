"""The route of kgpt2's own fit: its network and optimizer in Keras' fit, on full batches of drawn tokens."""

import time
from collections.abc import Mapping

import kgpt2.models as models  # first: it brings Keras up the quiet way

import keras  # isort: skip
import numpy as np
from numpy.typing import NDArray

from kgpt2.bench.drawn import drawn_prompts
from kgpt2.bench.reply import timed
from kgpt2.bench.turns import Answer
from kgpt2.checkpoints.checkpoint import Tokenizer
from kgpt2.checkpoints.names import read_model
from kgpt2.config.sections import Config
from kgpt2.models.backend import xla_pays
from kgpt2.training.network import trainable_network

# As `keras.Model.fit` takes them: inputs, targets, and the targets' weights.
Arrays = tuple[dict[str, NDArray[np.int32]], NDArray[np.int32], NDArray[np.float32]]


def prepare(route: str, model: str, batch: int, width: int, steps: int) -> Answer:
    """Loads a model and compiles the step as a long run of `kgpt2 fit` does; requests are calls of fit.

    Args:
        route: its name.
        model: any MODEL.
        batch: rows of a batch.
        width: tokens of a row.
        steps: of a request.
    """
    checkpoint = read_model(model)
    task = models.load_task(checkpoint)
    config = Config.model_validate({"model": {"preset": model}, "data": {"source": "samples/tang"}})
    network = trainable_network(task, config, 500, True if xla_pays() else "auto")
    return timed_fit(network, drawn_batches(checkpoint.tokenizer, batch, width, steps), batch, steps)


def drawn_batches(tokenizer: Tokenizer, batch: int, width: int, steps: int) -> Arrays:
    """Inputs, targets and the targets' weights, `(batch * steps, width)`: no padding, all of it work."""
    tokens = np.array(drawn_prompts(tokenizer, batch * steps, width + 1), np.int32)
    inputs = {"token_ids": tokens[:, :-1], "padding_mask": np.ones_like(tokens[:, 1:])}
    return inputs, tokens[:, 1:], np.ones(tokens[:, 1:].shape, np.float32)


def timed_fit(network: keras.Model, batches: Arrays, batch: int, steps: int) -> Answer:
    """Answers requests with calls of fit; timed from the first batch's begin to the last one's end."""
    inputs, targets, weights = batches

    class Timed(keras.callbacks.Callback):
        began = ended = 0.0

        def on_train_batch_begin(self, number: int, logs: Mapping[str, float] | None = None) -> None:
            if number == 0:
                self.began = time.perf_counter()

        def on_train_batch_end(self, number: int, logs: Mapping[str, float] | None = None) -> None:
            self.ended = time.perf_counter()

    def work() -> float:
        clock = Timed()
        network.fit(inputs, targets, batch, sample_weight=weights, shuffle=False, callbacks=[clock], verbose=0)
        return clock.ended - clock.began

    return timed(work, targets.size)
