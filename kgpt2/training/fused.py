"""Adam and AdamW on TensorFlow in one pass over the weights, where XLA does not compile the step.

Keras writes an update as some ten operations on each weight, each of which reads and writes all of it.
"""

from collections.abc import Sequence
from typing import Any

import keras

from kgpt2.models.backend import Tensor


class Fused(keras.optimizers.Optimizer):
    """Put before Adam or AdamW: the same update, within rounding, by TensorFlow's one operation for it.

    The gradients are scaled where their norm is over the limit alone, and decay multiplies a weight once.
    """

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: Tensor) -> None:
        import tensorflow as tf

        place = self._get_variable_index(variable)
        step = tf.cast(tf.convert_to_tensor(self.iterations), variable.dtype) + 1
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(tf.convert_to_tensor(gradient), variable.dtype),
        )

    def _apply_weight_decay(self, variables: Sequence[keras.Variable]) -> None:
        import tensorflow as tf

        if self.weight_decay is None:
            return
        for variable in variables:
            if self._use_weight_decay(variable):
                value = variable.value
                kept = 1 - tf.cast(self.learning_rate, value.dtype) * self.weight_decay
                value.assign(value * kept)

    def _clip_gradients(self, grads: Sequence[Tensor]) -> Any:
        import tensorflow as tf

        limit = self.global_clipnorm
        if not limit:
            return super()._clip_gradients(grads)
        grads = [tf.convert_to_tensor(grad) for grad in grads]
        norm = tf.sqrt(2 * tf.add_n([tf.cast(tf.nn.l2_loss(grad), "float32") for grad in grads]))
        scale = limit / norm
        return tf.cond(norm > limit, lambda: [grad * tf.cast(scale, grad.dtype) for grad in grads], lambda: grads)
