"""The Keras classes; importing this package registers them and sets the backend up quietly."""

from kgpt2.models import backend as backend  # first: it imports TensorFlow the quiet way
from kgpt2.models.backbone import ChineseGPT2Backbone
from kgpt2.models.causal_lm import ChineseGPT2CausalLM
from kgpt2.models.loading import from_scratch, load_task, save_preset
from kgpt2.models.preprocessor import ChineseGPT2CausalLMPreprocessor
from kgpt2.models.tokenizer import ChineseGPT2Tokenizer

__all__ = [
    "ChineseGPT2Backbone",
    "ChineseGPT2CausalLM",
    "ChineseGPT2CausalLMPreprocessor",
    "ChineseGPT2Tokenizer",
    "from_scratch",
    "load_task",
    "save_preset",
]
