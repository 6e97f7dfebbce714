"""Parts of the network that XLA compiles each by itself, where TensorFlow computes on a CPU.

TensorFlow's own kernels multiply matrices with all that a processor has (in bfloat16 XLA's do not), but they write each
step of a GELU, a normalisation or a mask to memory. So XLA joins what lies between the products, and no more.
"""

import functools
from collections.abc import Callable

import keras
import keras_hub
from keras import ops

from kgpt2.models.backend import Tensor, xla_pays


def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function of tensors, compiled once for their shapes, forward and backward.

    Its gradient computes it again from its inputs, so that nothing else is kept for it. Integers have no gradient.
    Where XLA does not pay (`backend.xla_pays`) it stays as it is.

    Example:
        >>> float(compiled(ops.square)(ops.convert_to_tensor([3.0]))[0])
        9.0
    """
    program = functools.cache(lambda: _by_xla(function))
    return lambda *inputs: (program() if xla_pays() else function)(*inputs)


def _by_xla(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    import tensorflow as tf

    def pull_back(upstream: Tensor, *inputs: Tensor) -> Tensor:
        floats = [x for x in inputs if x.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floats)
            outputs = function(*inputs)
        return tape.gradient(outputs, floats, upstream)

    forward, backward = (tf.function(one, jit_compile=True, autograph=False) for one in (function, pull_back))

    def call(*inputs: Tensor) -> tuple[Tensor, Callable[[Tensor], list[Tensor | None]]]:
        def gradient(upstream: Tensor) -> list[Tensor | None]:
            found = iter(backward(upstream, *inputs))
            return [next(found) if x.dtype.is_floating else None for x in inputs]

        return forward(*inputs), gradient

    with_gradient = tf.custom_gradient(call)
    return lambda *inputs: with_gradient(*map(tf.convert_to_tensor, inputs))


def compile_parts(backbone: keras_hub.models.GPT2Backbone) -> None:
    """Makes the activations and normalisations of a backbone programs of their own.

    The layers stay Keras' own, since their class names their weights in a file.
    """
    for layer in backbone._flatten_layers():
        if type(layer) is keras.layers.LayerNormalization:
            layer.call = functools.partial(_normalised, layer)
    for block in backbone.transformer_layers:
        layer = block._feedforward_intermediate_dense
        layer.activation = _activation(layer.activation)


def _normalised(layer: keras.layers.LayerNormalization, inputs: Tensor) -> Tensor:
    """Keras' own call, over the last axis."""
    return ops.cast(_normalise(layer.epsilon)(inputs, layer.gamma, layer.beta), layer.compute_dtype)


@functools.cache
def _normalise(epsilon: float) -> Callable[..., Tensor]:
    return compiled(lambda x, gamma, beta: ops.layer_normalization(x, gamma, beta, -1, epsilon))


@functools.cache
def _activation(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return compiled(function)
