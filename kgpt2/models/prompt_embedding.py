"""A token embedding of which the last rows alone learn: the vectors of a tuned prompt."""

from typing import Any

import keras
import keras_hub
from keras import ops

from kgpt2.models.backend import Tensor


class ReversibleEmbedding(keras_hub.layers.ReversibleEmbedding):
    """KerasHub's embedding, its last rows a variable of their own; made by `learn_prompt` of a built one.

    What is saved is one table, so that a preset is that of any GPT-2; Keras names it by the name of this class.
    """

    @property
    def embeddings(self) -> Tensor:
        return ops.concatenate([self._embeddings[: -self._prompt.shape[0]], self._prompt], axis=0)

    def learn(self, length: int) -> None:
        """Makes the last rows a variable, which begins as they are."""
        first = ops.convert_to_numpy(self._embeddings)[-length:]
        self._tracker.unlock()  # as Keras' own enable_lora does on a built layer
        self._prompt = self.add_weight(
            name="prompt", shape=first.shape, initializer="zeros", dtype=self._embeddings.dtype
        )
        self._tracker.lock()
        self._prompt.assign(first)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        store["0"] = self.embeddings


def learn_prompt(backbone: keras_hub.models.GPT2Backbone, length: int) -> None:
    """Lets the last `length` rows of a backbone's token embedding learn; whether other weights do is left to others.

    The backbone has made its layer and its graph already, so the layer becomes another one in place.
    """
    layer: keras.layers.Layer = backbone.token_embedding
    layer.__class__ = ReversibleEmbedding
    layer.learn(length)
