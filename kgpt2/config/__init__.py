"""The run configuration."""

from kgpt2.config.recipes import dump_config, load_config
from kgpt2.config.sections import (
    Config,
    DataSection,
    FromScratch,
    Lora,
    ModelSection,
    SampleSection,
    TrainSection,
)

__all__ = [
    "Config",
    "DataSection",
    "FromScratch",
    "Lora",
    "ModelSection",
    "SampleSection",
    "TrainSection",
    "dump_config",
    "load_config",
]
