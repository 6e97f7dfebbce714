"""What a run records of itself: `metrics.csv`, and the best model."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kgpt2.training.target import LOSS, Logs, likelihood_report
from kgpt2.training.token_meter import TokenMeter
from kgpt2.writing import write_text


class Recorded(keras.callbacks.Callback):
    """Writes `metrics.csv` after each validation, and saves the model whenever it is the best so far.

    Args:
        folder: the run's.
        meter: counts the batches.
        per_epoch: batches per epoch.
        save: writes the model as it is now.
        patience: validations without a lower loss before training stops; None: it goes on.

    Attributes:
        rows: those of the file, a dict each.
        train, validation: the metrics of the latest interval, and of the model saved last (None without validation).
    """

    def __init__(
        self, folder: Path, meter: TokenMeter, per_epoch: int, save: Callable[[], None], patience: int | None = None
    ):
        super().__init__()
        self._path, self._meter, self._save, self._per_epoch = folder / "metrics.csv", meter, save, per_epoch
        self.rows: list[dict[str, Any]] = []
        self._patience, self._waited = patience, 0
        self.train: dict[str, float] | None = None
        self.validation: dict[str, float] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.train = likelihood_report(logs)
        row = {
            "step": self._meter.step,
            "epoch": round(self._meter.batches / self._per_epoch, 4),
            "learning_rate": shortest(float(self.model.optimizer.learning_rate)),
            **self.train,
        }
        validation = likelihood_report(logs, "val_") if f"val_{LOSS}" in logs else None
        if validation:
            row.update({f"val_{name}": value for name, value in validation.items()})
        row["tokens"] = self._meter.targets
        row["tokens_per_second"] = round(self._meter.tokens_per_second, 1)
        self.rows.append(row)
        self._write()
        self._waited += 1
        if validation is None or self.validation is None or validation["loss"] < self.validation["loss"]:
            self.validation, self._waited = validation, 0
            self._save()
        if self._patience and self._waited >= self._patience:
            self.model.stop_training = True

    @property
    def kept_step(self) -> int:
        """The step of the model saved last: of the lowest validation loss, else the last one; 0: none yet."""
        rows = self.rows[-1:] if self.validation is None else self.rows
        return int(min(rows, key=lambda row: row.get("val_loss", 0.0))["step"]) if rows else 0

    def progress(self) -> dict[str, Any]:
        """What it has recorded."""
        return {"rows": self.rows, "train": self.train, "validation": self.validation, "waited": self._waited}

    def go_on(self, progress: dict[str, Any]) -> None:
        """Records on from there."""
        self.rows, self._waited = progress["rows"], progress["waited"]
        self.train, self.validation = progress["train"], progress["validation"]
        if self.rows:
            self._write()

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self._path, text.getvalue())


def shortest(value: float) -> float:
    """The number of the fewest digits that float32 takes for this one, as backends keep a learning rate.

    Example:
        >>> shortest(0.002850000048056245)
        0.00285
    """
    return float(str(np.float32(value)))
