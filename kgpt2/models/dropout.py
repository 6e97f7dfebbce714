"""Dropout whose mask is a hash of each element's place: cheap, and the same on every backend."""

import functools
import math
from collections.abc import Callable, Sequence

import keras
import keras_hub
from keras import ops

from kgpt2.models.backend import Tensor
from kgpt2.models.parts import compiled

# The constants of MurmurHash3's 32-bit finaliser (public domain, by Austin Appleby), as signed numbers.
_FIRST, _SECOND = 0x85EBCA6B - 2**32, 0xC2B2AE35 - 2**32


class HashedDropout(keras.layers.Dropout):
    """Keras' dropout, with a mask from a hash of the element's index under two keys from the layer's seed.

    XLA on a CPU draws the masks of Keras' own at 22 ns an element, a ninth of a training step of GPT-2 base; a hash is
    computed where the mask is used, forward and again backward.
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.rate in (0, 1):
            return super().call(inputs, training)
        seed = self.seed_generator.next()
        return _computed_once(_masked(self.rate)(inputs, seed), seed)


def hash_masks(backbone: keras_hub.models.GPT2Backbone) -> None:
    """Makes every dropout of a backbone a `HashedDropout`, its rate, seeds and place kept.

    The layers change their class, since KerasHub's blocks make their own and a built block takes no new ones.
    """
    for layer in backbone._flatten_layers():
        if type(layer) is keras.layers.Dropout:
            layer.__class__ = HashedDropout


@functools.cache
def _masked(rate: float) -> Callable[..., Tensor]:
    """The mask put on, as a function of what it is put on and the seed."""

    def masked(x: Tensor, seed: Tensor) -> Tensor:
        kept = hashed(ops.shape(x), seed) >= int(rate * 2**31)
        return ops.where(kept, x * (1 / (1 - rate)), ops.zeros_like(x))

    return compiled(masked)


def hashed(shape: Sequence[int], seed: Tensor) -> Tensor:
    """Uniform int32 in [0, 2**31) of a shape, as drawn from a seed: two integers, of which either changes them all."""
    seed = ops.cast(seed, "int32")
    first = _mix(seed[0])
    second = _mix(seed[1] ^ first)
    places = ops.reshape(ops.arange(math.prod(shape), dtype="int32"), shape)
    return _mix(_mix(places ^ second) + first) & 0x7FFFFFFF


def _computed_once(x: Tensor, seed: Tensor) -> Tensor:
    """The same, where JAX computes on a CPU: XLA stores it and its gradient, whoever reads them.

    Else XLA's fusion there computes the sum of all later blocks' gradients, masks and all, again in each kernel that
    reads it, a fifth of a training step of GPT-2 base; and it drops optimisation barriers before. A condition that it
    cannot foresee stops it. (The count of draws never gets that far.)
    """
    if keras.config.backend() != "jax":
        return x
    import jax

    if jax.default_backend() != "cpu":
        return x
    return ops.cond(seed[1] < 2**30, lambda: x, lambda: ops.zeros_like(x))


def _mix(x: Tensor) -> Tensor:
    """MurmurHash3's finaliser: every bit that goes in changes half of those that come out."""
    x = (x ^ _shifted(x, 16)) * _FIRST
    x = (x ^ _shifted(x, 13)) * _SECOND
    return x ^ _shifted(x, 16)


def _shifted(x: Tensor, by: int) -> Tensor:
    """A logical shift to the right: int32 is what every backend multiplies and wraps, uint32 is not."""
    return ops.right_shift(x, by) & (2 ** (32 - by) - 1)
