"""Text to token ids for Chinese models: `[CLS] text [SEP]`, padded with [PAD]."""

import keras
import keras_hub

from kgpt2.models.backbone import ChineseGPT2Backbone
from kgpt2.models.tokenizer import ChineseGPT2Tokenizer


@keras.saving.register_keras_serializable(package="kgpt2")
class ChineseGPT2CausalLMPreprocessor(keras_hub.models.GPT2CausalLMPreprocessor):
    """KerasHub's preprocessor over a BERT vocabulary.

    Returns `({"token_ids", "padding_mask"}, targets, target_mask)`, each `(batch, sequence_length)`.
    """

    backbone_cls = ChineseGPT2Backbone
    tokenizer_cls = ChineseGPT2Tokenizer
