"""What a run has trained on so far, and how long that took."""

import collections
import statistics
import time
from typing import Any

import keras

from kgpt2.data.batches import Batches
from kgpt2.training.target import Logs

# The latest warm batches, from which the usual pace is taken.
_PACES = 1000


class TokenMeter(keras.callbacks.Callback):
    """Counts batches, tokens and seconds, and ends training after the last batch.

    Args:
        plan: the batches.
        batches: how many will be trained.
        accumulate: batches per update.

    Attributes:
        batches: trained so far.
        targets, read, positions: targets that count, tokens read, and all positions, padding included.
        warm_targets, warm_read, warm_attended, warm_seconds: without validation, and without the first batch of each
            shape, which may compile. Attended counts, for each token read, the places that its batch is wide.
    """

    def __init__(self, plan: Batches, batches: int, accumulate: int = 1):
        super().__init__()
        self._plan, self._last, self._accumulate = plan, batches, accumulate
        self.batches = self.targets = self.read = self.positions = 0
        self.warm_targets = self.warm_read = self.warm_attended = 0
        self.warm_seconds = self._compiled_before = 0.0
        self._firsts: dict[tuple[int, int], float] = {}
        self._paces: collections.deque[float] = collections.deque(maxlen=_PACES)

    _COUNTED = (
        *("batches", "targets", "read", "positions"),
        *("warm_targets", "warm_read", "warm_attended", "warm_seconds"),
    )

    def progress(self) -> dict[str, Any]:
        """What it has counted."""
        return {name: getattr(self, name) for name in self._COUNTED} | {"compile_seconds": self.compile_seconds}

    def go_on(self, progress: dict[str, Any]) -> None:
        """Counts on from there."""
        for name in self._COUNTED:
            setattr(self, name, type(getattr(self, name))(progress[name]))
        self._compiled_before = progress["compile_seconds"]

    @property
    def step(self) -> int:
        """Optimizer updates done."""
        return self.batches // self._accumulate

    @property
    def tokens_per_second(self) -> float:
        """Targets a second, of the warm batches."""
        return self.warm_targets / self.warm_seconds if self.warm_seconds else 0.0

    @property
    def compile_seconds(self) -> float:
        """What the first batch of each shape took beyond the median pace (seconds a position) of those after it."""
        pace = statistics.median(self._paces) if self._paces else 0.0
        beyond = (max(seconds - pace * positions, 0.0) for (positions, _), seconds in self._firsts.items())
        return self._compiled_before + sum(beyond)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        seconds = time.perf_counter() - self._began
        size = self._plan.size(self.batches)
        shape = size.positions, size.width
        if shape in self._firsts:
            self.warm_seconds += seconds
            self.warm_targets += size.targets
            self.warm_read += size.read
            self.warm_attended += size.read * size.width
            self._paces.append(seconds / size.positions)
        else:
            self._firsts[shape] = seconds
        self.batches += 1
        self.targets += size.targets
        self.read += size.read
        self.positions += size.positions
        if self.batches >= self._last:
            self.model.stop_training = True
