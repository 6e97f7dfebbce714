import csv

import keras
import numpy as np
import pytest

from kgpt2.config.sections import TrainSection
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


def test_wsd_rises_stays_and_falls():
    found = rates(20, schedule="wsd", warmup=0.1, decay=0.25, end_learning_rate=0.5)
    assert np.allclose(found[:2], [0.5, 1.0])
    assert np.allclose(found[2:16], 1.0)
    assert np.allclose(found[15:], np.linspace(1, 0.5, 6))
    longer = rates(40, schedule="wsd", warmup=0.05, decay=0.25, end_learning_rate=0.5)
    assert found[:16] == longer[:16], "until its decay a run does not know how long it will be"
    assert np.allclose(rates(schedule="wsd", decay=0.0), 1.0)


@pytest.mark.backends
@pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "compiled"])
def test_accumulating_follows_the_schedule_of_updates(jit_compile):
    """The weights, too: plain gradient descent moves by the rate, and Adam's first moments are of updates."""
    train = {"learning_rate": 0.1, "end_learning_rate": 0.02, "warmup": 0.2, "schedule": "cosine", "clip_norm": None}
    x, y = np.ones((8, 1), "float32"), np.zeros((8, 1), "float32")
    found = []
    for accumulate in (1, 4):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
        optimizer = make_optimizer(TrainSection(accumulate=accumulate, **train), 10)
        model.compile(optimizer, "mae", jit_compile=jit_compile)
        path = []
        for _ in range(10):
            for _ in range(accumulate):
                model.train_on_batch(x, y)
            path.append([float(optimizer.learning_rate), *(float(np.ravel(one)[0]) for one in model.get_weights())])
        found.append(path)
    assert np.allclose(found[0], found[1], rtol=1e-6)
    assert found[0][-1][0] == pytest.approx(0.02)


@pytest.mark.backends
def test_the_rates_of_a_run_do_not_depend_on_accumulate(run):
    settings = ["train.warmup=0.2", "train.steps=12", "train.validate_every=3", "data.limit=20", "train.batch_size=4"]

    def recorded(accumulate):
        _, _, folder = run(*settings, "data.batching=pad", f"train.accumulate={accumulate}")
        with open(folder / "metrics.csv", newline="") as file:
            return [float(row["learning_rate"]) for row in csv.DictReader(file)]

    assert recorded(3) == pytest.approx(recorded(1), rel=1e-6)


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


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="TensorFlow's operation")
@pytest.mark.parametrize("clip", [None, 0.1, 1e6], ids=["unclipped", "over the limit", "under it"])
@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_one_pass_is_keras_own_update(name, clip):
    rng = np.random.default_rng(0)
    settings = TrainSection(optimizer=name, learning_rate=0.01, weight_decay=0.1, clip_norm=clip)
    start = [rng.normal(size=shape).astype("float32") for shape in ((7, 5), (5,))]
    grads = [[rng.normal(size=one.shape).astype("float32") for one in start] for _ in range(4)]
    ends = []
    for compiled in (True, False):
        optimizer = make_optimizer(settings, 4, compiled)
        weights = [keras.Variable(value, name=word) for value, word in zip(start, ("kernel", "bias"), strict=True)]
        for grad in grads:
            optimizer.apply([keras.ops.convert_to_tensor(one) for one in grad], weights)
        ends.append([np.array(one) for one in (*weights, *optimizer.variables)])
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-5, atol=1e-7)
    assert not np.allclose(ends[0][0], start[0])
