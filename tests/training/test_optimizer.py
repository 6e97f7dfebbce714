import keras
import numpy as np
import pytest

from kgpt2.config import TrainSection
from kgpt2.training.optimizer import make_optimizer, make_schedule


def rates(updates=10, **values):
    schedule = make_schedule(TrainSection(learning_rate=1.0, **values), updates)
    return [float(schedule(step)) for step in range(updates + 1)]


def test_schedules_start_and_end_where_they_should():
    assert np.allclose(rates(end_learning_rate=0.5), np.linspace(1, 0.5, 11))
    assert np.allclose(rates(schedule="constant", end_learning_rate=0.5), 1)
    cosine = rates(schedule="cosine", end_learning_rate=0.2)
    assert np.allclose(cosine, 0.2 + 0.8 * (1 + np.cos(np.pi * np.arange(11) / 10)) / 2)


@pytest.mark.parametrize("schedule", ["polynomial", "cosine", "constant"])
def test_warmup_rises_to_the_full_rate_first(schedule):
    found = rates(schedule=schedule, warmup=0.4)
    assert np.allclose(found[:4], [0.25, 0.5, 0.75, 1.0])
    assert found[4] == pytest.approx(1.0)
    assert found[-1] == pytest.approx(1.0 if schedule == "constant" else 0.0)
    copy = make_schedule(TrainSection(learning_rate=1.0, schedule=schedule, warmup=0.4), 10)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(copy))
    assert np.allclose([float(copy(step)) for step in range(11)], found)


def test_biases_and_norms_do_not_decay():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.LayerNormalization()])
    for weight in model.weights:
        weight.assign(np.ones(weight.shape))
    optimizer = make_optimizer(TrainSection(learning_rate=0.1, weight_decay=0.5, schedule="constant"), 10)
    optimizer.build(model.trainable_variables)
    optimizer.apply([keras.ops.zeros(weight.shape) for weight in model.trainable_variables])
    kernel, *rest = [keras.ops.convert_to_numpy(weight) for weight in model.weights]
    assert np.allclose(kernel, 0.95)
    assert all(np.allclose(weight, 1) for weight in rest)
    assert isinstance(make_optimizer(TrainSection(optimizer="adam"), 10), keras.optimizers.Adam)
