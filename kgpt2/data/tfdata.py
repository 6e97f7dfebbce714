"""The adapter to tf.data; the only module of this room that imports TensorFlow."""

from collections.abc import Callable, Iterable

import tensorflow as tf

from kgpt2.data.batches import Batch


def as_dataset(batches: Callable[[], Iterable[Batch]], count: int) -> tf.data.Dataset:
    """Batches as a tf.data pipeline of `(x, y, sample_weight)`, prepared while the model computes.

    Args:
        batches: called anew for each pass over the dataset, e.g. `Batches(...).epoch`.
        count: how many batches a pass has; the dataset's cardinality.

    The dataset's elements are `({"token_ids", "padding_mask"}, targets, target_mask)`, each `(rows, width)`, where the
    width may change from batch to batch.
    """
    ids, weights = tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, None), tf.float32)
    signature = ({"token_ids": ids, "padding_mask": ids}, ids, weights)
    dataset = tf.data.Dataset.from_generator(
        lambda: (batch.as_keras() for batch in batches()), output_signature=signature
    )
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(tf.data.AUTOTUNE)
