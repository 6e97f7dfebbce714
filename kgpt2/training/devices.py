"""More than one device: where a run's variables and the parts of its batches lie."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras

from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.config.sections import Config
from kgpt2.errors import RequestError
from kgpt2.models.backend import Tensor
from kgpt2.training import processes
from kgpt2.training.prepare import Plan

# Attention heads and the inner units of the feed-forward are divided (Megatron-LM, arXiv:1909.08053, section 3), and
# the width of the token embedding; biases, norms and positions are small and lie on every device.
GPT2_LAYOUT = {
    "token_embedding/embeddings": (None, "model"),
    "transformer_layer.*(query|key|value).kernel": (None, "model", None),
    "transformer_layer.*attention_output.kernel": ("model", None, None),
    "transformer_layer.*feedforward_intermediate_dense.kernel": (None, "model"),
    "transformer_layer.*feedforward_output_dense.kernel": ("model", None),
}


def distributed(config: Config, plan: Plan, tell: Callable[[str], None]) -> contextlib.AbstractContextManager[Any]:
    """A context in which a model is built for, and trained on, the devices that `train.distribution` asks for.

    Args:
        config: the run's.
        plan: says which batches there will be, and the shape of the network.
        tell: is told how many devices there are.

    Raises:
        RequestError: the backend cannot do it, or the devices do not divide the batches or the network.
    """
    how, backend = config.train.distribution, keras.config.backend()
    if how is None:
        return contextlib.nullcontext()
    if backend not in (("jax", "tensorflow") if how == "data" else ("jax",)):
        raise RequestError(
            f"train.distribution: {how} does not run on Keras' {backend} backend\n"
            "set KERAS_BACKEND=jax, or train.distribution=null"
        )
    devices = _jax_devices() if backend == "jax" else _tensorflow_devices()
    if len(devices) == 1:
        tell("1 device: there is nothing to distribute")
        return contextlib.nullcontext()
    if how == "model":
        _require_even_network(config, plan, len(devices))
        tell(f"{len(devices)} devices: each has a part of the model")
        return _model_parallel(devices)
    if backend == "tensorflow" and config.train.accumulate > 1:
        # Keras accumulates in a branch of a condition, where TensorFlow's replicas cannot meet.
        raise RequestError(
            "train.accumulate: with train.distribution=data it runs on JAX alone\n"
            "set KERAS_BACKEND=jax, or train.accumulate=1 and a larger batch"
        )
    _require_even_batches(config, plan, len(devices))
    tell(f"{len(devices)} devices: each has the model and a part of every batch")
    return _data_parallel(devices) if backend == "jax" else _mirrored(devices)


def process_share() -> tuple[int, int]:
    """Which of how many equal parts of each batch this process has to read."""
    if keras.config.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def of_whole_batches(optimizer: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    """An optimizer whose gradients are, under TensorFlow's strategy, clipped as those of whole batches."""
    if keras.config.backend() != "tensorflow":
        return optimizer
    import tensorflow as tf

    many = tf.distribute.get_strategy().num_replicas_in_sync > 1
    return type(optimizer.__name__, (_OfWholeBatches, optimizer), {}) if many else optimizer


class _OfWholeBatches(keras.optimizers.Optimizer):
    """Keras clips each replica's gradient by itself and then adds them up, which is not what one device does.

    Here every replica gets the mean of all before it is clipped, and gives Keras an equal share of it to add up.
    """

    def __init__(self, global_clipnorm: float | None = None, **options: Any) -> None:
        import tensorflow as tf

        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        super().__init__(global_clipnorm=global_clipnorm and global_clipnorm / replicas, **options)
        self._replicas = replicas

    def apply(self, grads: Sequence[Tensor], trainable_variables: Sequence[keras.Variable] | None = None) -> None:
        import tensorflow as tf

        means = tf.distribute.get_replica_context().all_reduce("MEAN", [tf.convert_to_tensor(grad) for grad in grads])
        super().apply([mean / self._replicas for mean in means], trainable_variables)


def _jax_devices() -> list[str]:
    """Of every process."""
    processes.meet()
    return list(keras.distribution.list_devices())


def _tensorflow_devices() -> list[str]:
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in devices]


def _mirrored(devices: Sequence[str]) -> contextlib.AbstractContextManager[Any]:
    import tensorflow as tf

    scope: contextlib.AbstractContextManager[Any] = tf.distribute.MirroredStrategy(devices).scope()
    return scope


def _data_parallel(devices: Sequence[str]) -> contextlib.AbstractContextManager[Any]:
    # Each process reads its share of a batch by itself.
    shared = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    scope: contextlib.AbstractContextManager[Any] = shared.scope()
    return scope


def _model_parallel(devices: Sequence[str]) -> contextlib.AbstractContextManager[Any]:
    mesh = keras.distribution.DeviceMesh((1, len(devices)), ("batch", "model"), devices)
    layout = keras.distribution.LayoutMap(mesh)
    layout.update(GPT2_LAYOUT)
    divided = keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
    scope: contextlib.AbstractContextManager[Any] = divided.scope()
    return scope


def _require_even_batches(config: Config, plan: Plan, devices: int) -> None:
    key = "batch_tokens" if config.train.batch_tokens else "batch_size"
    for batches, which in ((plan.train, ""), (plan.validation, " of those held out")):
        for rows, _ in sorted(batches.shapes if batches else ()):
            if rows % devices:
                raise RequestError(
                    f"train.{key}: {devices} devices cannot share a batch{which}, of {rows} rows, evenly\n"
                    f"take a train.batch_size that is a multiple of {devices} and no more than there are examples, "
                    "or train.distribution=null"
                )


def _require_even_network(config: Config, plan: Plan, devices: int) -> None:
    import jax

    if jax.process_count() > 1:
        raise RequestError("train.distribution: model takes the devices of one process; over several it must be data")
    if isinstance(plan.start, Checkpoint):
        heads, inner = plan.start.shape.num_heads, plan.start.shape.intermediate_dim
    else:
        heads, inner = plan.start.heads, 4 * plan.start.width
    for size, what in ((heads, "attention heads"), (inner, "inner units of the feed-forward")):
        if size % devices:
            raise RequestError(
                f"train.distribution: {devices} devices cannot share the model's {size} {what} evenly\n"
                "let the process see fewer devices, or take train.distribution=data"
            )
