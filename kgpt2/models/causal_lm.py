"""The Keras task of Chinese models."""

import keras
import keras_hub

from kgpt2.models.backbone import ChineseGPT2Backbone
from kgpt2.models.preprocessor import ChineseGPT2CausalLMPreprocessor


@keras.saving.register_keras_serializable(package="kgpt2")
class ChineseGPT2CausalLM(keras_hub.models.GPT2CausalLM):
    """GPT-2 with a BERT vocabulary as a KerasHub task: `fit`, `generate`, `from_preset`, `save_to_preset`.

    Logits are `(batch, length, vocabulary_size)`.
    """

    backbone_cls = ChineseGPT2Backbone
    preprocessor_cls = ChineseGPT2CausalLMPreprocessor
