"""Weights & Biases and MLflow beside `metrics.csv`: its rows by their steps. Each is imported where it is asked for."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras

from kgpt2.config.sections import Config
from kgpt2.errors import WorkError, escaped
from kgpt2.files import read_object
from kgpt2.training.record import Recorded
from kgpt2.training.target import Logs
from kgpt2.writing import write_json

IDS = "trackers.json"
Tracker = contextlib.AbstractContextManager[tuple[str, keras.callbacks.Callback]]


@contextlib.contextmanager
def tracked(config: Config, folder: Path, recorded: Recorded) -> Iterator[list[keras.callbacks.Callback]]:
    """Callbacks for the trackers of `train.log`, whose runs end with this block, as failed where it fails.

    A run of the caller's own, which is active already, is logged to and stays active. What a tracker calls the run is
    kept in trackers.json, so that a resumed run goes on there.

    Raises:
        WorkError: a tracker will not start; its own settings (WANDB_MODE, MLFLOW_TRACKING_URI, ...) count.
    """
    before = read_object(folder / IDS, "names of the run with trackers") if (folder / IDS).is_file() else {}
    ids: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        callbacks = []
        for name in config.train.log:
            try:
                opened = _OPENERS[name](config, folder, recorded, before.get(name))
                ids[name], callback = stack.enter_context(opened)
            except Exception as error:  # whatever its transport raises
                reason = next(iter(str(error).splitlines()), "") or type(error).__name__
                raise WorkError(
                    f"train.log: {name} does not start ({escaped(reason, 200)})\n{_OFFLINE[name]}"
                ) from error
            callbacks.append(callback)
        if ids:
            write_json(folder / IDS, ids)
        yield callbacks


class _WandbRows(keras.callbacks.Callback):
    """Logs each row to a run of wandb.

    wandb's own callback is written on TensorFlow, asks for the learning rate in its way, which JAX does not know, and
    counts epochs.
    """

    def __init__(self, run: Any, recorded: Recorded):
        super().__init__()
        self._run, self._recorded = run, recorded

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        row = self._recorded.rows[-1]
        self._run.log(row, step=row["step"])


class _RowsFor(keras.callbacks.Callback):
    """Hands each row to a callback of Keras, as the metrics of an epoch that has the number of the step.

    Its model is the one that learns, and learning begins once, whatever Keras' fit is called.
    """

    def __init__(self, callback: keras.callbacks.Callback, recorded: Recorded):
        super().__init__()
        self._callback, self._recorded, self._begun = callback, recorded, False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if not self._begun:
            self._callback.set_model(self.model)
            self._callback.on_train_begin(logs)
            self._begun = True

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        row = dict(self._recorded.rows[-1])
        self._callback.on_epoch_end(row.pop("step"), row)


@contextlib.contextmanager
def _wandb(
    config: Config, folder: Path, recorded: Recorded, known: str | None
) -> Iterator[tuple[str, keras.callbacks.Callback]]:
    import wandb

    if wandb.run is not None:
        yield wandb.run.id, _WandbRows(wandb.run, recorded)
        return
    project = os.environ.get("WANDB_PROJECT", "kgpt2")
    settings = {"name": folder.name, "dir": str(folder), "id": known, "resume": "allow" if known else None}
    run = wandb.init(project=project, config=config.model_dump(), **settings)
    with run:  # it ends as failed where this is left by an exception
        yield run.id, _WandbRows(run, recorded)


@contextlib.contextmanager
def _mlflow(
    config: Config, folder: Path, recorded: Recorded, known: str | None
) -> Iterator[tuple[str, keras.callbacks.Callback]]:
    import mlflow
    from mlflow.keras import MlflowCallback

    callback = _RowsFor(MlflowCallback(), recorded)
    if (active := mlflow.active_run()) is not None:
        yield active.info.run_id, callback
        return
    with mlflow.start_run(run_id=known, run_name=None if known else folder.name) as run:
        mlflow.log_dict(config.model_dump(), "config.yaml")
        yield run.info.run_id, callback
        mlflow.flush_async_logging()


_OPENERS: dict[str, Callable[[Config, Path, Recorded, str | None], Tracker]] = {"wandb": _wandb, "mlflow": _mlflow}
_OFFLINE = {
    "wandb": "log in (wandb login), or WANDB_MODE=offline keeps the run in the run folder, for wandb sync",
    "mlflow": "MLFLOW_TRACKING_URI names a server or a database, such as sqlite:///mlflow.db",
}
