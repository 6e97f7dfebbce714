"""A run's checkpoints: `checkpoints/step-N/` with `state.zip` and `progress.json`, each folder whole or not there."""

import dataclasses
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import keras
import pydantic

from kgpt2.config.sections import Config, TrainSection
from kgpt2.errors import RequestError
from kgpt2.files import read_object
from kgpt2.training.folder import require_the_same
from kgpt2.training.state import is_whole, read_state, write_state
from kgpt2.training.target import Logs
from kgpt2.training.token_meter import TokenMeter
from kgpt2.writing import whole_folder, write_json


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Where a run was.

    Attributes:
        folder: of the checkpoint.
        step: optimizer updates done.
        progress: what callbacks have counted and recorded so far.
    """

    folder: Path
    step: int
    progress: dict[str, Any]

    def restore(self, variables: Sequence[keras.Variable]) -> None:
        """Gives the run's variables their values of then."""
        read_state(self.folder / "state.zip", variables)


def save_snapshot(
    run: Path,
    step: int,
    variables: Sequence[keras.Variable],
    progress: dict[str, Any],
    config: Config,
    data: str,
    keep: int,
) -> None:
    """Writes a checkpoint and removes the oldest beyond `keep`.

    Args:
        run: the run folder.
        step: optimizer updates done.
        variables: from `state.variables_of`.
        progress: JSON.
        config: the run's.
        data: the fingerprint of the batches.
        keep: how many to keep.
    """
    with whole_folder(run / "checkpoints" / f"step-{step:08d}") as folder:
        write_state(folder / "state.zip", variables)
        content = {"step": step, "data": data, "config": config.model_dump(), "progress": progress}
        write_json(folder / "progress.json", content)
    for old in _folders(run)[keep:]:
        shutil.rmtree(old, ignore_errors=True)


def latest_snapshot(run: Path, config: Config, data: str, tell: Callable[[str], None]) -> Snapshot | None:
    """The newest checkpoint that is whole; None where there is none.

    Args:
        run: the run folder.
        config: of the run that is to go on.
        data: the fingerprint of its batches.
        tell: is told of damaged ones.

    Raises:
        RequestError: configuration or data have changed so that going on would be another run.
    """
    for folder in _folders(run):
        content = _content(folder / "progress.json")
        if content is None or not is_whole(folder / "state.zip"):
            tell(f"{folder}: damaged, so the checkpoint before it is taken")
            continue
        require_the_same(folder, _config_of(folder, content.config), config)
        if content.data != data:
            raise RequestError(
                f"{folder}: the data are not those that this run began with, so --resume would repeat or skip some\n"
                "bring the old data back, or start a run in another folder"
            )
        return Snapshot(folder, content.step, content.progress.model_dump())
    return None


class Saved(keras.callbacks.Callback):
    """Writes a checkpoint after so many updates or minutes, at every validation that falls on one, and before a stop.

    Args:
        meter: counts the batches.
        train: the run's settings.
        interval: updates between validations. One that is due then waits for it: its result belongs to the checkpoint.
        save: writes the checkpoint of a step.
        stops: whether to stop after a step; is asked after each.
    """

    def __init__(
        self,
        meter: TokenMeter,
        train: TrainSection,
        interval: int,
        save: Callable[[int], None],
        stops: Callable[[int], bool],
    ):
        super().__init__()
        self._meter, self._train, self._interval, self._save, self._stops = meter, train, interval, save, stops
        self._last, self._stopping = time.monotonic(), False

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        step, rest = divmod(self._meter.batches, self._train.accumulate)
        if not rest:
            self._stopping = self._stopping or self._stops(step)
            if step % self._interval:
                self._if_due(step)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._if_due(self._meter.step)

    def _if_due(self, step: int) -> None:
        minutes = (time.monotonic() - self._last) / 60
        every, at_least = self._train.checkpoint_every, self._train.checkpoint_minutes
        if (every and step % every == 0) or (at_least and minutes >= at_least) or self._stopping:
            if keras.config.backend() == "jax":
                self.model.jax_state_sync()  # during fit the values live in JAX's own state
            self._save(step)
            self._last = time.monotonic()
        if self._stopping:
            raise KeyboardInterrupt


Count = Annotated[int, pydantic.Field(ge=0, lt=2**63)]
Row = dict[str, Count | pydantic.FiniteFloat]


class _Typed(pydantic.BaseModel):
    """Part of progress.json: what callbacks read without a second look, so nothing of another type."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)


class _Recorded(_Typed):
    rows: list[Row]
    train: Row | None
    validation: Row | None
    waited: Count

    @pydantic.field_validator("rows")
    @classmethod
    def _one_table(cls, rows: list[Row]) -> list[Row]:
        if any(row.keys() != rows[0].keys() for row in rows):
            raise ValueError("rows of different columns")
        return rows


class _Entry(_Typed):
    step: Count
    heading: str
    texts: list[str]


class _Samples(_Typed):
    entries: list[_Entry]


class _Progress(_Typed):
    meter: Row
    recorded: _Recorded
    samples: _Samples
    seconds: pydantic.FiniteFloat


class _Content(_Typed):
    step: Count
    data: str
    config: dict[str, dict[str, Any]]
    progress: _Progress


def _content(path: Path) -> _Content | None:
    """What progress.json holds; None where it is damaged."""
    try:
        return _Content.model_validate(read_object(path))
    except (RequestError, pydantic.ValidationError):
        return None


def _config_of(folder: Path, values: object) -> Config:
    try:
        return Config.model_validate(values)
    except pydantic.ValidationError:
        raise RequestError(
            f"{folder}: was written by a version of kgpt2 with other settings\n"
            "go on with that version, or start a run in another folder"
        ) from None


def _folders(run: Path) -> list[Path]:
    """The newest first."""
    return sorted((run / "checkpoints").glob("step-*"), reverse=True)
