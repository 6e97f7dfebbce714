"""Adversarial training: the loss where small changes of the embeddings make it worst."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import keras_hub
from keras import ops

from kgpt2.config.sections import Adversarial
from kgpt2.errors import RequestError
from kgpt2.models.backend import Tensor
from kgpt2.models.rematerialisation import logits_of
from kgpt2.training.target import TargetModel

# A step of PGD, in parts of epsilon / steps: so it reaches the ball's surface from wherever it begins (Madry et al.).
_STRIDE = 2.5
_TINY = 1e-12


class AdversarialModel(TargetModel):
    """A `TargetModel` that learns from perturbed embeddings too; it is evaluated, and reports, as it is.

    A perturbation r is added to the embeddings of a row's tokens. Its norm is that of the whole row, so that neither
    padding nor the other rows of a batch change it, and it is at most epsilon. With g the gradient of the loss by r:

    - fgm: loss(0) + loss(epsilon g / |g|) (Miyato et al., 2017, arXiv:1605.07725);
    - pgd: the loss after `steps` such steps of 2.5 epsilon / steps, each followed by a projection onto the ball, in the
      place of loss(0) (Madry et al., 2018, arXiv:1706.06083);
    - freelb: r begins at random and takes `steps` steps of epsilon / steps; the mean of the losses on the way (Zhu et
      al., 2020, arXiv:1909.11764).

    The perturbation is found with the dropout of the pass that follows it, and no gradient flows through it.

    Args:
        backbone: whose graph is perturbed.
        outputs: its logits.
        asked: the method.
        rematerialise: whether blocks are computed again for the gradient.
        prompt_ids: as those of `TargetModel`.

    Raises:
        RequestError: Keras' backend is another than TensorFlow or JAX.
    """

    def __init__(
        self,
        backbone: keras_hub.models.GPT2Backbone,
        outputs: keras.KerasTensor,
        asked: Adversarial,
        rematerialise: bool = False,
        prompt_ids: Sequence[int] = (),
    ) -> None:
        if keras.config.backend() not in _GRADIENTS:
            raise RequestError(
                f"train.adversarial: does not run on Keras' {keras.config.backend()} backend\n"
                "set KERAS_BACKEND=tensorflow or jax, or train.adversarial=null"
            )
        super().__init__(backbone.input, outputs, prompt_ids)
        perturbation = keras.Input((None, backbone.hidden_dim), dtype="float32")
        perturbed = keras.Model([backbone.input, perturbation], logits_of(backbone, rematerialise, perturbation))
        # A function and not a model: its layers are those of this one already.
        self._perturbed: Callable[[list[Any]], Tensor] = lambda inputs: perturbed(inputs, training=True)
        self._asked, self._width = asked, backbone.hidden_dim
        self._draws = keras.random.SeedGenerator()  # of the run's seed, as those of dropout

    def compute_loss(
        self,
        x: Any = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        clean = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return clean

        def loss(r: Tensor) -> Tensor:
            total, _, count = ops.unstack(self.sums(y, self._perturbed([x, r]), sample_weight), 3)
            return total / ops.maximum(count, 1)

        shown = ops.cast(x["padding_mask"], "float32")[..., None]
        zero = ops.zeros((*ops.shape(x["token_ids"]), self._width), "float32")
        epsilon, steps = self._asked.epsilon, self._asked.steps
        if self._asked.method == "fgm":
            return clean + loss(ops.stop_gradient(epsilon * self._ascent(loss, zero)))
        if self._asked.method == "pgd":
            r = zero
            for _ in range(steps):
                r = _within(r + _STRIDE * epsilon / steps * self._ascent(loss, r), epsilon)
            return loss(ops.stop_gradient(r))
        bound = epsilon / ops.sqrt(ops.sum(shown, axis=(1, 2), keepdims=True) * self._width + _TINY)
        r = keras.random.uniform(ops.shape(zero), -1, 1, seed=self._draws) * bound * shown
        losses = []
        for step in range(steps):
            r = ops.stop_gradient(r)
            losses.append(loss(r))
            if step < steps - 1:
                r = _within(r + epsilon / steps * self._ascent(loss, r), epsilon)
        return sum(losses[1:], losses[0]) / steps

    def _ascent(self, loss: Callable[[Tensor], Tensor], r: Tensor) -> Tensor:
        """The direction in which the loss grows fastest, of length 1 in each row that has targets.

        Nothing that the pass would change, such as the seeds of dropout, is changed.
        """
        variables = self.variables
        values = [variable.value for variable in variables]

        def apart(r: Tensor) -> Tensor:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return loss(r)

        gradient = _GRADIENTS[keras.config.backend()](apart, r)
        return ops.stop_gradient(gradient / ops.maximum(_norm(gradient), _TINY))


def _norm(r: Tensor) -> Tensor:
    """`(rows, 1, 1)`: of each row as a whole."""
    return ops.sqrt(ops.sum(ops.square(r), axis=(1, 2), keepdims=True))


def _within(r: Tensor, epsilon: float) -> Tensor:
    """The nearest perturbation of at most epsilon."""
    return r * ops.minimum(1.0, epsilon / ops.maximum(_norm(r), _TINY))


def _by_tensorflow(function: Callable[[Tensor], Tensor], r: Tensor) -> Tensor:
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(r)
        value = function(r)
    return tape.gradient(value, r)


def _by_jax(function: Callable[[Tensor], Tensor], r: Tensor) -> Tensor:
    import jax

    return jax.grad(function)(r)


_GRADIENTS: Mapping[str, Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]] = {
    "tensorflow": _by_tensorflow,
    "jax": _by_jax,
}
