"""kgpt2: the whole GPT-2 route in Keras. Importing it imports nothing heavy.

Example:
    >>> import kgpt2
    >>> lm = kgpt2.load("mini_zh")
    >>> poem = lm.generate("床前明月光", form="五绝", seed=1)[0]
    >>> len(str(poem))
    24
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kgpt2.config.sections import Config
    from kgpt2.config.settings import Settings
    from kgpt2.conversion.convert import convert
    from kgpt2.errors import RequestError, WorkError
    from kgpt2.evaluation.evaluate import evaluate
    from kgpt2.generation.language_model import LanguageModel, Score, load
    from kgpt2.generation.rows import Generation
    from kgpt2.training.fit import fit

__version__ = "0.2.0"

__all__ = [
    "Config",
    "Generation",
    "LanguageModel",
    "RequestError",
    "Score",
    "Settings",
    "WorkError",
    "convert",
    "evaluate",
    "fit",
    "load",
]

# Where each name lives; it is imported when it is first used.
_HOMES = {
    "Config": "kgpt2.config.sections",
    "Generation": "kgpt2.generation.rows",
    "LanguageModel": "kgpt2.generation.language_model",
    "RequestError": "kgpt2.errors",
    "Score": "kgpt2.generation.language_model",
    "Settings": "kgpt2.config.settings",
    "WorkError": "kgpt2.errors",
    "convert": "kgpt2.conversion.convert",
    "evaluate": "kgpt2.evaluation.evaluate",
    "fit": "kgpt2.training.fit",
    "load": "kgpt2.generation.language_model",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'kgpt2' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
