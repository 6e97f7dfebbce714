"""Loss, accuracy and perplexity over real targets, never over padding."""

import math
from collections.abc import Callable

import keras
from keras import ops

LOSS, ACCURACY = "token_loss", "token_accuracy"


def training_loss() -> keras.losses.Loss:
    """Cross-entropy from logits `(rows, width, vocabulary)`, the mean over the targets whose weight is 1.

    Keras' default divides by all positions, padding included, which makes the loss of a padded batch too small
    (keras#19740).
    """
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")


class OverTargets(keras.metrics.Metric):
    """The mean of a value over every target whose weight is 1, over all batches since the last reset.

    Keras' own weighted metrics average over the width of each batch first, so that a target of a narrow batch counts
    more than one of a wide batch; and its running loss weights each batch by its rows.

    Args:
        value: of targets `(rows, width)` and logits `(rows, width, vocabulary)`, one number each `(rows, width)`.
        name: in Keras' logs.
    """

    def __init__(self, value: Callable, name: str):
        super().__init__(name=name, dtype="float32")
        self._value = value
        self._total = self.add_weight(initializer="zeros", name="total")
        self._count = self.add_weight(initializer="zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight):
        weights = ops.cast(sample_weight, "float32")
        values = ops.cast(self._value(y_true, y_pred), "float32")
        self._total.assign_add(ops.sum(values * weights))
        self._count.assign_add(ops.sum(weights))

    def result(self):
        return self._total / ops.maximum(self._count, 1)


def likelihood_metrics() -> list[keras.metrics.Metric]:
    """Weighted metrics named `LOSS` (nats) and `ACCURACY`, exact over all targets."""

    def loss(targets, logits):
        return ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)

    def accuracy(targets, logits):
        return ops.equal(ops.cast(targets, "int32"), ops.cast(ops.argmax(logits, axis=-1), "int32"))

    return [OverTargets(loss, LOSS), OverTargets(accuracy, ACCURACY)]


def perplexity(loss: float) -> float:
    """exp(loss), infinite where that overflows; the loss is the mean over targets, in nats."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


def likelihood_report(logs: dict[str, float], prefix: str = "") -> dict[str, float]:
    """`loss`, `accuracy` and `perplexity` out of Keras' logs."""
    loss = float(logs[prefix + LOSS])
    return {"loss": loss, "accuracy": float(logs[prefix + ACCURACY]), "perplexity": perplexity(loss)}
