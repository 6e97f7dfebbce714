"""A run from a plan: build or load the model, Keras `fit`, and the run folder."""

import time
from pathlib import Path

import keras
import keras_hub
from rich.console import Console

from kgpt2.config import Config, dump_config
from kgpt2.data.batches import Batches
from kgpt2.errors import WorkError
from kgpt2.evaluation.likelihood import LOSS, TargetModel
from kgpt2.files import write_json, write_text
from kgpt2.models import from_scratch, load_task, save_preset
from kgpt2.models.loading import count_parameters
from kgpt2.training.optimizer import make_optimizer
from kgpt2.training.prepare import Plan
from kgpt2.training.watch import Meter, Recorded, Shown

# GPT-2's own, where a configuration that starts from nothing names none.
SCRATCH_DROPOUT = 0.1


def fit(config: Config, plan: Plan, folder: Path, console: Console) -> dict:
    """Trains a model and writes the run folder: config.yaml, metrics.csv, preset/ and summary.json.

    Args:
        config: the run's.
        plan: from `prepare`.
        folder: where to write; made where it is missing.
        console: for progress, usually stderr.

    Returns:
        The summary, as in summary.json.

    Raises:
        WorkError: the loss is not finite any more, or the user interrupted the run (its model is kept).
    """
    keras.utils.set_random_seed(config.train.seed)
    task = build(config, plan)
    network = _trainable_network(task, config, plan)
    write_text(folder / "config.yaml", dump_config(config))
    accumulate, per_epoch = config.train.accumulate, plan.train.per_epoch
    batches = plan.updates * accumulate
    meter = Meter(plan.train, batches)
    shown = Shown(meter, batches, accumulate, console)
    recorded = Recorded(folder, meter, accumulate, per_epoch, lambda: save_preset(task, folder / "preset"))
    callbacks = [meter, shown, recorded]
    if config.train.early_stopping and plan.validation:
        callbacks.append(keras.callbacks.EarlyStopping(f"val_{LOSS}", patience=config.train.early_stopping, mode="min"))
    validation = _dataset(plan.validation, plan.validation.per_epoch) if plan.validation else None
    began = time.perf_counter()
    try:
        network.fit(
            _dataset(plan.train, batches),
            shuffle=False,  # `Batches` has done it
            steps_per_epoch=plan.interval * accumulate,
            epochs=-(-plan.updates // plan.interval),
            validation_data=validation,
            callbacks=callbacks,
            verbose=0,
        )
    except KeyboardInterrupt:
        if recorded.train is None:
            save_preset(task, folder / "preset")
        step = meter.batches // accumulate
        raise WorkError(f"interrupted after step {step:,}; the best model so far is in {folder / 'preset'}") from None
    finally:
        shown.close()
    seconds = time.perf_counter() - began
    parameters, trainable = count_parameters(network)
    epochs = meter.batches / per_epoch
    summary = {
        "steps": meter.batches // accumulate,
        "epochs": int(epochs) if epochs.is_integer() else round(epochs, 4),
        "train": recorded.train,
        "validation": recorded.validation,
        "tokens": meter.targets,
        "tokens_per_second": round(meter.tokens_per_second, 1),
        "padding_fraction": round(1 - meter.targets / meter.positions, 4),
        "seconds": round(seconds, 2),
        "backend": keras.config.backend(),
        "dtype": config.model.dtype,
        "parameters": parameters,
        "trainable_parameters": trainable,
    }
    write_json(folder / "summary.json", summary)
    return summary


def build(config: Config, plan: Plan) -> keras_hub.models.CausalLM:
    """The task to train: a checkpoint's, or one with random weights."""
    model = config.model
    if plan.checkpoint:
        return load_task(
            plan.checkpoint, dtype=model.dtype, dropout=model.dropout, sequence_length=model.sequence_length
        )
    scratch = model.from_scratch
    return from_scratch(
        plan.tokenizer.vocabulary,
        layers=scratch.layers,
        heads=scratch.heads,
        width=scratch.width,
        sequence_length=model.sequence_length,
        dtype=model.dtype,
        dropout=SCRATCH_DROPOUT if model.dropout is None else model.dropout,
    )


def _trainable_network(task: keras_hub.models.CausalLM, config: Config, plan: Plan) -> TargetModel:
    """The task's layers in a model that takes tokens: the task itself would tokenise what is tokenised already."""
    backbone = task.backbone
    if config.model.freeze_layers:
        frozen = [backbone.token_embedding, backbone.position_embedding]
        for layer in frozen + backbone.transformer_layers[: config.model.freeze_layers]:
            layer.trainable = False
    network = TargetModel(task.input, task.output)
    network.compile(make_optimizer(config.train, plan.updates))
    return network


def _dataset(batches: Batches, count: int):
    """The first `count` batches in the shape that the backend's `fit` takes fastest; may be gone through repeatedly."""
    if keras.config.backend() == "tensorflow":
        from kgpt2.data.tfdata import as_dataset

        return as_dataset(batches, count)
    return _Numbered(batches, count)


class _Numbered(keras.utils.PyDataset):
    """Batches by number, for the backends that run without TensorFlow."""

    def __init__(self, batches: Batches, count: int):
        super().__init__()
        self._batches, self._count = batches, count

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        return self._batches.at(index).as_keras()
