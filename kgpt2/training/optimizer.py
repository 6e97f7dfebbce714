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


def make_schedule(train: TrainSection, updates: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate as a function of the update.

    polynomial (of power 1) and cosine end at `end_learning_rate` with the last update; constant stays.
    """
    warmup = round(train.warmup * updates)
    rest = max(updates - warmup, 1)
    schedules = keras.optimizers.schedules
    if train.schedule == "cosine":
        schedule = schedules.CosineDecay(train.learning_rate, rest, alpha=train.end_learning_rate / train.learning_rate)
    else:
        end = train.learning_rate if train.schedule == "constant" else train.end_learning_rate
        schedule = schedules.PolynomialDecay(train.learning_rate, rest, end_learning_rate=end)
    return Warmup(schedule, warmup) if warmup else schedule


def make_optimizer(train: TrainSection, updates: int) -> keras.optimizers.Optimizer:
    """Adam or AdamW; biases and normalisation weights never decay (GPT-2 and its descendants leave them out)."""
    options = {
        "learning_rate": make_schedule(train, updates),
        "global_clipnorm": train.clip_norm,
        "gradient_accumulation_steps": train.accumulate if train.accumulate > 1 else None,
    }
    if train.optimizer == "adam":
        return of_whole_batches(keras.optimizers.Adam)(**options)
    optimizer = of_whole_batches(keras.optimizers.AdamW)(weight_decay=train.weight_decay, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
