"""The backbone class of Chinese models."""

import keras
import keras_hub


@keras.saving.register_keras_serializable(package="kgpt2")
class ChineseGPT2Backbone(keras_hub.models.GPT2Backbone):
    """GPT-2 with a BERT vocabulary; the network is the stock one.

    A class of its own, because KerasHub finds tokenizer, preprocessor and task by the backbone's class: were ours tied
    to `GPT2Backbone`, loading an English preset could pick the Chinese tokenizer.
    """
