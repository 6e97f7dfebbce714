"""A run of a few steps, which the tests change a little."""

import socket

import pytest
from rich.console import Console

from kgpt2.config.recipes import load_config
from kgpt2.training import processes
from kgpt2.training.prepare import prepare

BASE = """\
model:
  from_scratch: {layers: 1, heads: 2, width: 32}
  sequence_length: 40
  dropout: 0.0
data:
  source: samples/tang
  limit: 60
  validation: 0.2
train:
  learning_rate: 1e-2
  batch_size: 8
  epochs: 2
"""


def read_events(folder):
    """What TensorBoard's own reader finds in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def gradients(network, batch):
    """Of a network's loss on a batch, by its trainable variables in their order."""
    import keras
    import numpy as np

    x, y, weights = (keras.tree.map_structure(keras.ops.convert_to_tensor, part) for part in batch)
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = network.compute_loss(x, y, network(x, training=True), weights, training=True)
        values = tape.gradient(loss, [variable.value for variable in network.trainable_variables])
        return [np.asarray(tf.convert_to_tensor(value)) for value in values]
    import jax

    states = [
        [v.value for v in part]
        for part in (network.trainable_variables, network.non_trainable_variables, network.metrics_variables)
    ]
    network.optimizer.build(network.trainable_variables)
    values, _ = jax.grad(network.compute_loss_and_updates, has_aux=True)(
        *states, x, y, weights, True, [v.value for v in network.optimizer.variables]
    )
    return list(map(np.asarray, values))


@pytest.fixture
def run(tmp_path):
    """Fits with some keys changed; gives the summary, the plan and the run folder."""
    (tmp_path / "run.yaml").write_text(BASE)
    numbers = iter(range(100))

    def fit_with(*overrides, console=None):
        from kgpt2.training.run import train as fit

        config = load_config(tmp_path / "run.yaml", overrides)
        plan, folder = prepare(config), tmp_path / f"run{next(numbers)}"
        return fit(config, plan, folder, console or Console(quiet=True)), plan, folder

    return fit_with


@pytest.fixture
def party(monkeypatch):
    """Makes what a process holds of the others, all in this one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = free.getsockname()
    monkeypatch.setattr(processes.atexit, "register", lambda _: None)
    made = []

    def make(number, count=2):
        made.append(processes.Party(place, number, count))
        return made[-1]

    yield make
    for one in made:
        one.part()
