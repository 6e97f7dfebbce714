"""The optimizer and its learning-rate schedule; both count optimizer updates, not batches."""

import keras
from keras import ops

from kgpt2.config import TrainSection
from kgpt2.training.devices import of_whole_batches


@keras.saving.register_keras_serializable(package="kgpt2")
class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a straight line to the first value of a schedule, then follows it.

    Args:
        schedule: what follows, counted from its own 0.
        updates: how many updates the rise takes.
    """

    def __init__(self, schedule, updates: int):
        self.schedule, self.updates = schedule, updates

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rising = self.schedule(0.0) * (step + 1) / self.updates
        return ops.where(step < self.updates, rising, self.schedule(ops.maximum(step - self.updates, 0)))

    def get_config(self):
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "updates": self.updates}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["updates"])


@keras.saving.register_keras_serializable(package="kgpt2")
class Held(keras.optimizers.schedules.LearningRateSchedule):
    """Stays at the first value of a schedule, then follows it.

    Args:
        schedule: what follows, counted from its own 0.
        updates: how many updates the rate stays.
    """

    def __init__(self, schedule, updates: int):
        self.schedule, self.updates = schedule, updates

    def __call__(self, step):
        return self.schedule(ops.maximum(ops.cast(step, "float32") - self.updates, 0))

    def get_config(self):
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "updates": self.updates}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["updates"])


@keras.saving.register_keras_serializable(package="kgpt2")
class OfUpdates(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of updates for an optimizer that accumulates gradients: Keras counts batches and asks with those.

    Args:
        schedule: the learning rate as a function of the update.
        accumulate: batches per update.
    """

    def __init__(self, schedule, accumulate: int):
        self.schedule, self.accumulate = schedule, accumulate

    def __call__(self, step):
        return self.schedule(ops.floor_divide(step, self.accumulate))

    def get_config(self):
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "accumulate": self.accumulate}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["accumulate"])


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


def make_optimizer(train: TrainSection, updates: int) -> keras.optimizers.Optimizer:
    """Adam or AdamW; biases and normalisation weights never decay (GPT-2 and its descendants leave them out)."""
    schedule = make_schedule(train, updates)
    options = {
        "learning_rate": OfUpdates(schedule, train.accumulate) if train.accumulate > 1 else schedule,
        "global_clipnorm": train.clip_norm,
        "gradient_accumulation_steps": train.accumulate if train.accumulate > 1 else None,
    }
    if train.optimizer == "adam":
        return of_whole_batches(keras.optimizers.Adam)(**options)
    optimizer = of_whole_batches(keras.optimizers.AdamW)(weight_decay=train.weight_decay, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
