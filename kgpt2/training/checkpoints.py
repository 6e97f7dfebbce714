"""A run's checkpoints: `checkpoints/step-N/` with `state.zip` and `progress.json`, each folder whole or not there."""

import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from kgpt2.config import Config, TrainSection
from kgpt2.errors import RequestError
from kgpt2.files import whole_folder, write_json
from kgpt2.training.meter import Meter
from kgpt2.training.state import is_whole, read_state, write_state

# Sections and keys that may change when a run goes on; any other would make it another run.
FREE = ("sample", "data.path", "train.checkpoint_every", "train.checkpoint_minutes", "train.keep_checkpoints")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Where a run was.

    Attributes:
        folder: of the checkpoint.
        step: optimizer updates done.
        progress: what callbacks have counted and recorded so far.
    """

    folder: Path
    step: int
    progress: dict

    def restore(self, variables: Sequence[keras.Variable]) -> None:
        """Gives the run's variables their values of then."""
        read_state(self.folder / "state.zip", variables)


def save_checkpoint(
    run: Path, step: int, variables: Sequence[keras.Variable], progress: dict, config: Config, data: str, keep: int
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


def latest_checkpoint(run: Path, config: Config, data: str, tell: Callable[[str], None]) -> Checkpoint | None:
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
        try:
            content = json.loads((folder / "progress.json").read_text("utf-8"))
            step, progress, known = content["step"], content["progress"], (content["config"], content["data"])
        except (OSError, ValueError, KeyError, TypeError):
            content = None
        if content is None or not is_whole(folder / "state.zip"):
            tell(f"{folder}: damaged, so the checkpoint before it is taken")
            continue
        _require_the_same(folder, known[0], config)
        if known[1] != data:
            raise RequestError(
                f"{folder}: the data are not those that this run began with, so --resume would repeat or skip some\n"
                "bring the old data back, or start a run in another folder"
            )
        return Checkpoint(folder, step, progress)
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
        meter: Meter,
        train: TrainSection,
        interval: int,
        save: Callable[[int], None],
        stops: Callable[[int], bool],
    ):
        super().__init__()
        self._meter, self._train, self._interval, self._save, self._stops = meter, train, interval, save, stops
        self._last, self._stopping = time.monotonic(), False

    def on_train_batch_end(self, batch, logs=None):
        step, rest = divmod(self._meter.batches, self._train.accumulate)
        if not rest:
            self._stopping = self._stopping or self._stops(step)
            if step % self._interval:
                self._if_due(step)

    def on_epoch_end(self, epoch, logs=None):
        self._if_due(self._meter.step)

    def _if_due(self, step: int):
        minutes = (time.monotonic() - self._last) / 60
        every, at_least = self._train.checkpoint_every, self._train.checkpoint_minutes
        if (every and step % every == 0) or (at_least and minutes >= at_least) or self._stopping:
            if keras.config.backend() == "jax":
                self.model.jax_state_sync()  # during fit the values live in JAX's own state
            self._save(step)
            self._last = time.monotonic()
        if self._stopping:
            raise KeyboardInterrupt


def _require_the_same(folder: Path, then: dict, config: Config) -> None:
    changed = [
        f"{section}.{name} ({values.get(name)!r} then, {now!r} now)"
        for section, values in then.items()
        for name, now in config.model_dump().get(section, {}).items()
        if values.get(name) != now and not {section, f"{section}.{name}"} & set(FREE)
    ]
    if changed:
        raise RequestError(
            f"{folder}: --resume with other settings would be another run: {', '.join(changed[:3])}\n"
            f"take the old settings, those of {folder.parents[1] / 'config.yaml'}, or start a run in another folder"
        )


def _folders(run: Path) -> list[Path]:
    """The newest first."""
    return sorted((run / "checkpoints").glob("step-*"), reverse=True)
