"""The Keras task of Chinese models."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import keras_hub

from kgpt2.models.backbone import ChineseGPT2Backbone
from kgpt2.models.preprocessor import ChineseGPT2CausalLMPreprocessor


@keras.saving.register_keras_serializable(package="kgpt2")
class ChineseGPT2CausalLM(keras_hub.models.GPT2CausalLM):
    """GPT-2 with a BERT vocabulary as a KerasHub task: `fit`, `generate`, `from_preset`, `save_to_preset`.

    Logits are `(batch, length, vocabulary_size)`. `generate` takes any KerasHub sampler. Those that only choose next
    tokens run on kgpt2's engine: another sampler or another length compiles nothing anew.
    """

    backbone_cls = ChineseGPT2Backbone
    preprocessor_cls = ChineseGPT2CausalLMPreprocessor
    _runtime: Any = None
    generate_function: Callable[..., Any] | None

    def make_generate_function(self) -> Callable[..., Any]:
        """KerasHub's hook: what fills in a batch of token ids."""
        # Here and not above: the engine lies over the models and imports them.
        from kgpt2.generation.keras.runtime import KerasRuntime
        from kgpt2.generation.keras.task_generate import can_drive, continue_rows

        if self.generate_function is None and can_drive(self.sampler):
            self._runtime = self._runtime or KerasRuntime(self)  # outlives the sampler
            self.generate_function = functools.partial(continue_rows, self._runtime, self.sampler)
        function: Callable[..., Any] = super().make_generate_function()
        return function
