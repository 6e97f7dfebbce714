"""Loss, accuracy and perplexity over real targets, never over padding."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from kgpt2.evaluation.perplexity import perplexity
from kgpt2.models.backend import Tensor
from kgpt2.models.parts import compiled

LOSS, ACCURACY = "token_loss", "token_accuracy"
_NEVER = -1e9  # the logit of a token that no text holds
# What Keras tells callbacks: each metric's running value.
Logs = dict[str, float]


class RunningRatio(keras.metrics.Metric):
    """A sum over a count, both running: exact over batches of any width.

    Keras' own weighted metrics average over the width of each batch first, so that a target of a narrow batch counts
    more than one of a wide batch; and its running loss weights each batch by its rows.
    """

    def __init__(self, name: str):
        super().__init__(name=name, dtype="float32")
        # Every replica of a strategy is given the same sums.
        self._total = self.add_variable((), "zeros", aggregation="only_first_replica", name="total")
        self._count = self.add_variable((), "zeros", aggregation="only_first_replica", name="count")

    def update_state(self, total: Tensor, count: Tensor) -> None:
        self._total.assign_add(total)
        self._count.assign_add(count)

    def result(self) -> Tensor:
        return self._total / ops.maximum(self._count, 1)


class TargetModel(keras.Model):
    """A functional model whose loss is the mean cross-entropy over real targets, in nats.

    Inputs are `{"token_ids", "padding_mask"}`, outputs are logits `(rows, width, vocabulary)`; targets and their
    weights (1 or 0) are `(rows, width)`. Keras' default loss divides by all positions, padding included, which makes
    the loss of a padded batch too small (keras#19740). Loss and accuracy come out of one pass over the logits, and are
    logged as `LOSS` and `ACCURACY`: the mean over every target since the last reset. The tokens of a tuned prompt are
    no classes: they have no probability.
    """

    def __init__(self, inputs: Any, outputs: keras.KerasTensor, prompt_ids: Sequence[int] = ()) -> None:
        super().__init__(inputs, outputs)
        no_target = np.isin(np.arange(outputs.shape[-1]), prompt_ids) if prompt_ids else None
        self._sums = compiled(functools.partial(_sums, no_target))
        self._mean_loss, self._mean_accuracy = RunningRatio(LOSS), RunningRatio(ACCURACY)

    def compute_loss(
        self,
        x: Any = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        total, hit, count = ops.unstack(self.sums(y, y_pred, sample_weight), 3)
        self._mean_loss.update_state(total, count)
        self._mean_accuracy.update_state(hit, count)
        return total / ops.maximum(count, 1)

    def sums(self, targets: Tensor, logits: Tensor, weights: Tensor) -> Tensor:
        """`(3,)`: the losses of real targets, how many are hit, and how many there are."""
        return _over_replicas(self._sums(targets, logits, weights))


def _sums(no_target: NDArray[np.bool_] | None, targets: Tensor, logits: Tensor, weights: Tensor) -> Tensor:
    logits, weights = ops.cast(logits, "float32"), ops.cast(weights, "float32")
    if no_target is not None:
        logits = ops.where(no_target, _NEVER, logits)
    losses = ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    # A target hits where no logit is greater. (Keras' argmax on TensorFlow takes longer than the cross-entropy.)
    target_logits = ops.take_along_axis(logits, ops.expand_dims(targets, -1), axis=-1)
    hits = ops.cast(ops.squeeze(target_logits, -1) >= ops.max(logits, axis=-1), "float32")
    return ops.stack([ops.sum(losses * weights), ops.sum(hits * weights), ops.sum(weights)])


def _over_replicas(sums: Tensor) -> Tensor:
    """Adds up the replicas of TensorFlow's strategy; on JAX a batch is one array, on however many devices it lies."""
    if keras.config.backend() != "tensorflow":
        return sums
    import tensorflow as tf

    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return sums
    return tf.distribute.get_replica_context().all_reduce("SUM", sums)


def likelihood_report(logs: Logs, prefix: str = "") -> dict[str, float]:
    """`loss`, `accuracy` and `perplexity` out of Keras' logs."""
    loss = float(logs[prefix + LOSS])
    return {"loss": loss, "accuracy": float(logs[prefix + ACCURACY]), "perplexity": perplexity(loss)}
