"""The adapter to tf.data; the only module of this room that TensorFlow must be there to import."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kgpt2.data.batches import Batches

AHEAD = 2  # batches that are ready before they are asked for


def as_dataset(batches: Batches, count: int, start: int = 0) -> tf.data.Dataset:
    """`count` batches from a step on, epoch after epoch, as tf.data, prepared while the model computes.

    Elements are `({"token_ids", "padding_mask"}, targets, target_mask)`, each `(rows, width)`, where the shape may
    change from batch to batch. The cardinality is `count`.

    It draws batches by their number. `Dataset.from_generator` would be shorter, but where it has run once, everything
    else in the process computes slower on a CPU: see benchmarks/speed/tf_data_adapter.py. Nothing is tuned: the thread
    that does it now and then sleeps on when an iterator is dropped, and holds up the process for as long as a minute:
    see benchmarks/speed/tf_data_stalls.py.
    """
    dtypes = [tf.int32, tf.int32, tf.int32, tf.float32]

    def read(step: np.int64) -> tuple[NDArray[np.generic], ...]:
        batch = batches.at(int(step))
        return batch.token_ids, batch.padding_mask, batch.targets, batch.target_mask

    def prepare(step: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        arrays = tf.numpy_function(read, [step], dtypes)
        token_ids, padding_mask, targets, target_mask = (tf.ensure_shape(array, (None, None)) for array in arrays)
        return {"token_ids": token_ids, "padding_mask": padding_mask}, targets, target_mask

    untuned = tf.data.Options()
    untuned.autotune.enabled = False
    return tf.data.Dataset.range(start, start + count).map(prepare).prefetch(AHEAD).with_options(untuned)
