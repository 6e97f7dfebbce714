"""Callbacks: what a run shows, records and keeps while Keras trains."""

import csv
import io
import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from kgpt2.config import TrainSection
from kgpt2.data.batches import Batches
from kgpt2.errors import WorkError
from kgpt2.evaluation.likelihood import LOSS, likelihood_report
from kgpt2.files import write_text


class Meter(keras.callbacks.Callback):
    """Counts batches, targets and seconds, and ends training after the last batch.

    Attributes:
        batches: trained so far.
        targets, read, positions: targets that count, tokens read, and all positions, padding included.
        warm_targets, warm_seconds: without validation, and without the first batch of each size, which may compile.
    """

    def __init__(self, plan: Batches, batches: int):
        super().__init__()
        self._plan, self._last = plan, batches
        self.batches = self.targets = self.read = self.positions = self.warm_targets = 0
        self.warm_seconds = 0.0
        self._seen: set[int] = set()

    _COUNTED = ("batches", "targets", "read", "positions", "warm_targets", "warm_seconds")

    def progress(self) -> dict:
        """What it has counted."""
        return {name: getattr(self, name) for name in self._COUNTED}

    def go_on(self, progress: dict) -> None:
        """Counts on from there."""
        for name in self._COUNTED:
            setattr(self, name, progress[name])

    @property
    def tokens_per_second(self) -> float:
        return self.warm_targets / self.warm_seconds if self.warm_seconds else 0.0

    def on_train_batch_begin(self, batch, logs=None):
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        loss = logs[LOSS]
        if not math.isfinite(loss):
            raise WorkError(
                f"the loss is {loss} after batch {self.batches + 1}: training has left the finite numbers\n"
                "lower train.learning_rate, raise train.warmup, or set train.clip_norm; what was saved before stays"
            )
        targets, read, positions = self._plan.size(self.batches)
        if positions in self._seen:
            self.warm_seconds += time.perf_counter() - self._began
            self.warm_targets += targets
        self._seen.add(positions)
        self.batches += 1
        self.targets += targets
        self.read += read
        self.positions += positions
        if self.batches >= self._last:
            self.model.stop_training = True


class Shown(keras.callbacks.Callback):
    """The progress bar, and a line for each validation."""

    def __init__(self, meter: Meter, batches: int, accumulate: int, console: Console):
        super().__init__()
        self._meter, self._accumulate, self._console = meter, accumulate, console
        self._progress = Progress(
            TextColumn("step {task.fields[step]}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f}%  loss {task.fields[loss]}  {task.fields[rate]} tokens/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=batches, step=0, loss="-", rate="-")

    def on_train_begin(self, logs=None):
        self._progress.update(self._task, completed=self._meter.batches)
        self._progress.start()

    def close(self):
        """Takes the bar off the terminal, also when training ended with an error."""
        self._progress.stop()

    def on_train_batch_end(self, batch, logs=None):
        rate = self._meter.tokens_per_second
        self._progress.update(
            self._task,
            advance=1,
            step=self._meter.batches // self._accumulate,
            loss=f"{logs[LOSS]:.4f}",
            rate=f"{rate:,.0f}" if rate else "-",
        )

    def on_epoch_end(self, epoch, logs=None):
        parts = [f"step {self._meter.batches // self._accumulate:,}", _phrase(likelihood_report(logs))]
        if f"val_{LOSS}" in logs:
            parts.append(f"held out: {_phrase(likelihood_report(logs, 'val_'))}")
        parts.append(f"{self._meter.tokens_per_second:,.0f} tokens/s")
        self._console.print(" | ".join(parts), highlight=False, soft_wrap=True)


class Recorded(keras.callbacks.Callback):
    """Writes `metrics.csv` after each validation, and saves the model whenever it is the best so far.

    Args:
        folder: the run's.
        meter: counts the batches.
        accumulate: batches per update.
        per_epoch: batches per epoch.
        save: writes the model as it is now.
        patience: validations without a lower loss before training stops; None: it goes on.

    Attributes:
        train, validation: the metrics of the latest interval, and of the model saved last (None without validation).
    """

    def __init__(
        self,
        folder: Path,
        meter: Meter,
        accumulate: int,
        per_epoch: int,
        save: Callable[[], None],
        patience: int | None = None,
    ):
        super().__init__()
        self._path, self._meter, self._save = folder / "metrics.csv", meter, save
        self._accumulate, self._per_epoch = accumulate, per_epoch
        self._rows: list[dict] = []
        self._patience, self._waited = patience, 0
        self.train: dict[str, float] | None = None
        self.validation: dict[str, float] | None = None

    def on_epoch_end(self, epoch, logs=None):
        self.train = likelihood_report(logs)
        row = {
            "step": self._meter.batches // self._accumulate,
            "epoch": round(self._meter.batches / self._per_epoch, 4),
            "learning_rate": float(self.model.optimizer.learning_rate),
            **self.train,
        }
        validation = likelihood_report(logs, "val_") if f"val_{LOSS}" in logs else None
        if validation:
            row.update({f"val_{name}": value for name, value in validation.items()})
        row["tokens"] = self._meter.targets
        row["tokens_per_second"] = round(self._meter.tokens_per_second, 1)
        self._rows.append(row)
        self._write()
        self._waited += 1
        if validation is None or self.validation is None or validation["loss"] < self.validation["loss"]:
            self.validation, self._waited = validation, 0
            self._save()
        if self._patience and self._waited >= self._patience:
            self.model.stop_training = True

    def progress(self) -> dict:
        """What it has recorded."""
        return {"rows": self._rows, "train": self.train, "validation": self.validation, "waited": self._waited}

    def go_on(self, progress: dict) -> None:
        """Records on from there."""
        self._rows, self._waited = progress["rows"], progress["waited"]
        self.train, self.validation = progress["train"], progress["validation"]
        if self._rows:
            self._write()

    def _write(self):
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self._rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_text(self._path, text.getvalue())


class Saved(keras.callbacks.Callback):
    """Writes a checkpoint after so many updates or minutes, and at every validation that falls on one.

    Args:
        meter: counts the batches.
        train: the run's settings.
        interval: updates between validations. One that is due then waits for it: its result belongs to the checkpoint.
        save: writes the checkpoint of a step.
    """

    def __init__(self, meter: Meter, train: TrainSection, interval: int, save: Callable[[int], None]):
        super().__init__()
        self._meter, self._train, self._interval, self._save = meter, train, interval, save
        self._last = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        step, rest = divmod(self._meter.batches, self._train.accumulate)
        if not rest and step % self._interval:
            self._if_due(step)

    def on_epoch_end(self, epoch, logs=None):
        self._if_due(self._meter.batches // self._train.accumulate)

    def _if_due(self, step: int):
        minutes = (time.monotonic() - self._last) / 60
        every, at_least = self._train.checkpoint_every, self._train.checkpoint_minutes
        if (every and step % every == 0) or (at_least and minutes >= at_least):
            if keras.config.backend() == "jax":
                self.model.jax_state_sync()  # during fit the values live in JAX's own state
            self._save(step)
            self._last = time.monotonic()


def _phrase(report: dict[str, float]) -> str:
    return f"loss {report['loss']:.4f}, accuracy {report['accuracy']:.4f}, perplexity {report['perplexity']:.2f}"
