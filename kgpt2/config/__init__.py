"""The run configuration."""

from kgpt2.config.run import (
    Config,
    DataSection,
    FromScratch,
    Lora,
    ModelSection,
    SampleSection,
    TrainSection,
    dump_config,
    load_config,
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
