"""TensorBoard's event files, written without TensorFlow."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from kgpt2.training.record import Recorded
from kgpt2.training.samples import Samples
from kgpt2.training.target import Logs

_TRAIN = ("loss", "accuracy", "perplexity", "learning_rate", "tokens_per_second")
_VALIDATION = ("loss", "accuracy", "perplexity")


class EventFile:
    """A new event file, which grows by whole records: TensorBoard follows a file that grows, not one that is replaced.

    Args:
        folder: of the curve, which TensorBoard calls a run.
        first_step: what older files of the folder say of this step and later ones no longer holds.
    """

    def __init__(self, folder: Path, first_step: int):
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder in the order of their names.
        self._path = folder / f"events.out.tfevents.{time.time():.6f}"
        start = Event(step=first_step, session_log=SessionLog(status=SessionLog.START))
        self._append([Event(file_version="brain.Event:2"), start])

    def add(self, step: int, values: Mapping[str, float], texts: Sequence[str] = ()) -> None:
        """Adds a point to each curve, and texts under the tag `samples`."""
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        events = [Event(step=step, summary=Summary(value=scalars))]
        if texts:
            events.append(Event(step=step, summary=text_pb("samples", list(texts))))
        self._append(events)

    def _append(self, events: Sequence[Event]) -> None:
        with self._path.open("ab") as file:
            writer = RecordWriter(file)
            for event in events:
                event.wall_time = time.time()
                writer.write(event.SerializeToString())


class TensorBoard(keras.callbacks.Callback):
    """Writes what is recorded to `tensorboard/train` and `tensorboard/validation`.

    Args:
        folder: the run's.
        recorded: has the figures.
        samples: has the texts.
        validates: whether there is a validation.
        step: optimizer updates done before, by the run that is resumed.
    """

    def __init__(self, folder: Path, recorded: Recorded, samples: Samples, validates: bool, step: int = 0):
        super().__init__()
        self._recorded, self._samples = recorded, samples
        names = ("train", "validation") if validates else ("train",)
        self._files = {name: EventFile(folder / "tensorboard" / name, step + 1) for name in names}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        row, texts = self._recorded.rows[-1], [entry["texts"] for entry in self._samples.entries[-1:]]
        self._files["train"].add(row["step"], {name: row[name] for name in _TRAIN}, *texts)
        if "val_loss" in row:
            self._files["validation"].add(row["step"], {name: row[f"val_{name}"] for name in _VALIDATION})
