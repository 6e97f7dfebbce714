"""The optimizer and its learning-rate schedule; both count optimizer updates, not batches."""

from typing import Any, Self

import keras
from keras import ops

from kgpt2.config.sections import TrainSection
from kgpt2.models.backend import xla_pays
from kgpt2.training.devices import of_whole_batches
from kgpt2.training.fused import Fused


class _Around(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that asks another one.

    Args:
        schedule: the other, as a function of the update.
        count: of what, the class says.
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, count: int):
        self.schedule, self.count = schedule, count

    def get_config(self) -> dict[str, Any]:
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "count": self.count}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["count"])


@keras.saving.register_keras_serializable(package="kgpt2")
class Warmup(_Around):
    """Rises in a straight line to the first value of a schedule for `count` updates, then follows it from its 0 on."""

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        rising = self.schedule(0.0) * (step + 1) / self.count
        return ops.where(step < self.count, rising, self.schedule(ops.maximum(step - self.count, 0)))


@keras.saving.register_keras_serializable(package="kgpt2")
class Held(_Around):
    """Stays at the first value of a schedule for `count` updates, then follows it from its 0 on."""

    def __call__(self, step: Any) -> Any:
        return self.schedule(ops.maximum(ops.cast(step, "float32") - self.count, 0))


@keras.saving.register_keras_serializable(package="kgpt2")
class OfUpdates(_Around):
    """A schedule of updates for an optimizer that accumulates `count` batches each: Keras asks with the batches."""

    def __call__(self, step: Any) -> Any:
        return self.schedule(ops.floor_divide(step, self.count))


def make_schedule(train: TrainSection, updates: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate as a function of the update.

    polynomial (of power 1) and cosine end at `end_learning_rate` with the last update; constant stays; wsd (warmup,
    stable, decay: Hu et al., 2024, arXiv:2404.06395) stays until its last share and falls to `end_learning_rate` in a
    straight line.
    """
    warmup = round(train.warmup * updates)
    rest = max(updates - warmup, 1)
    decay = round(train.decay * updates) if train.schedule == "wsd" else rest
    schedules = keras.optimizers.schedules
    if train.schedule == "cosine":
        schedule = schedules.CosineDecay(train.learning_rate, rest, alpha=train.end_learning_rate / train.learning_rate)
    else:
        end = train.learning_rate if train.schedule == "constant" or not decay else train.end_learning_rate
        schedule = schedules.PolynomialDecay(train.learning_rate, max(decay, 1), end_learning_rate=end)
    if rest > decay:
        schedule = Held(schedule, rest - decay)
    return Warmup(schedule, warmup) if warmup else schedule


def make_optimizer(train: TrainSection, updates: int, compiled: bool = True) -> keras.optimizers.Optimizer:
    """Adam or AdamW; biases and normalisation weights never decay (GPT-2 and its descendants leave them out).

    Args:
        train: the run's settings.
        updates: how many there will be.
        compiled: XLA compiles the step, and so joins the operations of an update.
    """
    schedule = make_schedule(train, updates)
    options = {
        "learning_rate": OfUpdates(schedule, train.accumulate) if train.accumulate > 1 else schedule,
        "global_clipnorm": train.clip_norm,
        "gradient_accumulation_steps": train.accumulate if train.accumulate > 1 else None,
    }
    if train.optimizer == "adam":
        return _made_for(keras.optimizers.Adam, compiled)(**options)
    optimizer = _made_for(keras.optimizers.AdamW, compiled)(weight_decay=train.weight_decay, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _made_for(optimizer: type[keras.optimizers.Optimizer], compiled: bool) -> type[keras.optimizers.Optimizer]:
    """An optimizer for the devices that there are."""
    whole = of_whole_batches(optimizer)
    if compiled or whole is not optimizer or not xla_pays():
        return whole
    return type(optimizer.__name__, (Fused, optimizer), {})
