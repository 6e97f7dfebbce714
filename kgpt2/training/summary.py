"""What a run came to: the content of `summary.json`."""

from typing import Any

import keras
import keras_hub

from kgpt2.config.sections import Config
from kgpt2.models.loading import count_parameters
from kgpt2.training.flops import device_name, peak_flops, training_flops
from kgpt2.training.record import Recorded
from kgpt2.training.token_meter import TokenMeter


def summarise(
    config: Config,
    network: keras.Model,
    backbone: keras_hub.models.GPT2Backbone,
    meter: TokenMeter,
    recorded: Recorded,
    per_epoch: int,
    seconds: float,
) -> dict[str, Any]:
    """The figures of a run that has ended.

    Args:
        config: the run's.
        network: what was trained.
        backbone: of the network.
        meter, recorded: what they counted.
        per_epoch: batches per epoch.
        seconds: that the run took, those before it was resumed included.
    """
    parameters, trainable = count_parameters(network)
    epochs = meter.batches / per_epoch
    rate: float | None = None
    peak: float | None = None
    if meter.warm_seconds:
        rate = training_flops(backbone, parameters, meter.warm_read, meter.warm_attended) / meter.warm_seconds
        peak = peak_flops(device_name(), config.model.dtype)
    return {
        "steps": meter.step,
        "epochs": int(epochs) if epochs.is_integer() else round(epochs, 4),
        "train": recorded.train,
        "validation": recorded.validation,
        "tokens": meter.targets,
        "tokens_per_second": round(meter.tokens_per_second, 1),
        "padding_fraction": round(1 - meter.read / meter.positions, 4),
        "seconds": round(seconds, 2),
        "backend": keras.config.backend(),
        "dtype": config.model.dtype,
        "parameters": parameters,
        "trainable_parameters": trainable,
        "compile_seconds": round(meter.compile_seconds, 2),
        "flops_per_second": rate and float(f"{rate:.4g}"),
        "mfu": round(rate / peak, 4) if rate and peak else None,
        "kept_step": recorded.kept_step,
    }
