"""A run from a plan: build or load the model, Keras `fit`, and the run folder."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
from rich.console import Console

from kgpt2 import interrupts
from kgpt2.config.recipes import dump_config
from kgpt2.config.sections import Config
from kgpt2.errors import Interrupted, Kgpt2Error, RequestError, WorkError
from kgpt2.generation.decoder import Decoder
from kgpt2.generation.keras.runtime import KerasRuntime
from kgpt2.models import save_preset
from kgpt2.training import processes
from kgpt2.training.compilation import jit_compile
from kgpt2.training.curves import draw_curves
from kgpt2.training.devices import distributed
from kgpt2.training.feed import dataset
from kgpt2.training.folder import interrupted, is_complete
from kgpt2.training.guard import Guard, is_out_of_memory, out_of_memory
from kgpt2.training.network import build, trainable_network
from kgpt2.training.prepare import Plan
from kgpt2.training.record import Recorded
from kgpt2.training.samples import Samples
from kgpt2.training.snapshots import Saved, Snapshot, latest_snapshot, save_snapshot
from kgpt2.training.state import variables_of
from kgpt2.training.summary import summarise
from kgpt2.training.target import Logs
from kgpt2.training.telling import teller
from kgpt2.training.tensorboard import TensorBoard
from kgpt2.training.terminal import Shown
from kgpt2.training.token_meter import TokenMeter
from kgpt2.training.trackers import tracked
from kgpt2.writing import write_json, write_text


def train(
    config: Config,
    plan: Plan,
    folder: Path,
    console: Console,
    *,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Trains a model and writes the run folder.

    It gets config.yaml, metrics.csv, checkpoints/, preset/, tensorboard/, samples.txt (where there are prompts),
    curves.png and, at last, summary.json.

    Args:
        config: the run's.
        plan: from `prepare`.
        folder: where to write; made where it is missing.
        console: for progress, usually stderr.
        resume: go on from the newest checkpoint in the folder, where there is one.
        callbacks: the user's own; to them, what lies between two validations is an epoch.

    Returns:
        The summary, as in summary.json.

    Raises:
        RequestError: what is to be resumed was another run, or the devices do not divide batches or model.
        WorkError: the loss is not finite any more, memory is not enough, another process of the run has ended, or the
            user interrupted the run; what was saved before is kept.
    """
    tell = teller(console)
    keras.utils.set_random_seed(config.train.seed)
    stopping = "stopping after this step, with a checkpoint; once more: at once"
    try:
        with interrupts.held_back(lambda: tell(stopping)), processes.together(), distributed(config, plan, tell):
            snapshot = _snapshot(config, plan, folder, tell) if resume else None
            run = _Run(config, plan, folder, console, snapshot)
            if snapshot:
                tell(f"going on from step {snapshot.step:,}")
            return run.train(callbacks)
    except Exception as error:
        if is_out_of_memory(error):
            raise out_of_memory(config) from None
        raise


def _snapshot(config: Config, plan: Plan, folder: Path, tell: Callable[[str], None]) -> Snapshot | None:
    """What a run goes on from; None: there is nothing, and it begins anew.

    Raises:
        RequestError: the run is complete, or was another one.
    """
    snapshot = latest_snapshot(folder, config, plan.train.fingerprint, tell)
    if snapshot is None:
        if is_complete(folder):
            raise RequestError(
                f"{folder}: the run is complete and has no checkpoint to go on from\n"
                "a longer one starts in another folder"
            )
        tell(f"{folder}: there is no checkpoint to go on from, so the run begins anew")
    return snapshot


class _Kept(Protocol):
    """What a snapshot keeps of whoever counts or records."""

    def progress(self) -> dict[str, Any]: ...

    def go_on(self, progress: dict[str, Any]) -> None: ...


class _Run:
    """A network, ready to learn, and all that watches it.

    Args:
        config, plan, folder, console: as those of `train`.
        snapshot: what to go on from.
    """

    def __init__(self, config: Config, plan: Plan, folder: Path, console: Console, snapshot: Snapshot | None) -> None:
        self._config, self._plan, self._folder, self._snapshot = config, plan, folder, snapshot
        self._task = build(config, plan)
        compiles = jit_compile(config, plan, self._task)
        prompt_ids = plan.tokenizer.prompt_ids
        self._network = trainable_network(self._task, config, plan.updates, compiles, prompt_ids)
        self._variables = variables_of(self._network)
        self._batches = plan.updates * config.train.accumulate
        self._before = snapshot.progress["seconds"] if snapshot else 0.0
        self._began = time.perf_counter()
        self._meter = TokenMeter(plan.train, self._batches, config.train.accumulate)
        self._guard = Guard(self._meter, plan.train, plan.tokenizer, folder, console)
        self._shown = Shown(self._meter, self._batches, console)
        patience = config.train.early_stopping
        self._recorded = Recorded(folder, self._meter, plan.train.per_epoch, self._save, patience)
        decoder = Decoder(KerasRuntime(self._task), plan.tokenizer, plan.sampling)
        self._samples = Samples(folder, self._meter, plan.prompts, decoder, console)
        self._kept: dict[str, _Kept] = {"meter": self._meter, "recorded": self._recorded, "samples": self._samples}
        if snapshot:
            try:
                for name, one in self._kept.items():
                    one.go_on(snapshot.progress[name])
            except KeyError as error:
                raise RequestError(f"{snapshot.folder}: damaged, there is no {error}; remove it") from None

    def train(self, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, Any]:
        """Learns to the end, writing as it goes; returns the summary."""
        folder, meter, recorded = self._folder, self._meter, self._recorded
        (folder / "summary.json").unlink(missing_ok=True)  # a run that is made longer is not complete any more
        write_text(folder / "config.yaml", dump_config(self._plan.config))
        try:
            if processes.asked_to_stop(meter.step):
                raise KeyboardInterrupt
            with tracked(self._config, folder, recorded) as trackers:
                self._learn(self._callbacks([*trackers, *callbacks]))
        except KeyboardInterrupt:
            raise self._interrupted() from None
        except Exception as error:
            if interrupts.came() and not isinstance(error, Kgpt2Error):  # the second, which a backend took for an error
                raise self._interrupted() from None
            if processes.is_lost():
                raise WorkError(processes.LOST) from None
            raise
        finally:
            self._shown.close()
            if recorded.rows:
                draw_curves(recorded.rows, folder / "curves.png")
        per_epoch = self._plan.train.per_epoch
        backbone = self._task.backbone
        summary = summarise(self._config, self._network, backbone, meter, recorded, per_epoch, self._seconds())
        write_json(folder / "summary.json", summary)
        return summary

    def _callbacks(self, users: Sequence[keras.callbacks.Callback]) -> list[keras.callbacks.Callback]:
        plan, snapshot = self._plan, self._snapshot
        first = snapshot.step if snapshot else 0
        tensorboard = TensorBoard(self._folder, self._recorded, self._samples, bool(plan.validation), first)
        saved = Saved(self._meter, self._config.train, plan.interval, self._save_progress, processes.asked_to_stop)
        watching = [self._guard, self._meter, self._shown, self._recorded, self._samples, tensorboard]
        # The snapshot comes last: what the others make of a validation belongs to it.
        ours = [saved, *([_Restored(snapshot, self._variables, plan.interval)] if snapshot else [])]
        return [*watching, *users, *ours]

    def _learn(self, callbacks: list[keras.callbacks.Callback]) -> None:
        """Keras' fit, over what is left."""
        plan = self._plan
        validation = dataset(plan.validation, plan.validation.per_epoch) if plan.validation else None
        interval = plan.interval * self._config.train.accumulate
        for first, stop, steps in _spans(self._meter.batches, interval, self._batches):
            self._network.fit(
                dataset(plan.train, stop - first, first),
                shuffle=False,  # `Batches` has done it
                steps_per_epoch=steps,
                epochs=-(-(stop - first) // steps),
                validation_data=validation,
                callbacks=callbacks,
                verbose=0,
            )
            if self._network.stop_training:
                break

    def _seconds(self) -> float:
        """What the run has taken, those seconds included that it took before it was resumed."""
        return float(self._before + time.perf_counter() - self._began)

    def _save(self) -> None:
        self._guard.require_finite(self._variables)
        save_preset(self._task, self._folder / "preset")

    def _save_progress(self, step: int) -> None:
        self._guard.require_finite(self._variables)
        progress: dict[str, Any] = {name: one.progress() for name, one in self._kept.items()}
        progress["seconds"] = self._seconds()
        config, data = self._config, self._plan.train.fingerprint
        save_snapshot(self._folder, step, self._variables, progress, config, data, config.train.keep_checkpoints)

    def _interrupted(self) -> Interrupted:
        kept = "the best model so far" if self._recorded.validation else "the model saved last"
        if self._meter.step and self._recorded.train is None:
            try:
                self._save()
            except Exception:  # in the middle of a step a backend's variables may hold nothing
                kept = ""
        return interrupted(self._folder, self._meter.step, kept)


class _Restored(keras.callbacks.Callback):
    """Gives the variables their values of a checkpoint, once Keras has reset the metrics of the first interval.

    Where the checkpoint ended an interval, its metrics belong to the past.
    """

    def __init__(self, snapshot: Snapshot | None, variables: list[keras.Variable], interval: int):
        super().__init__()
        self._snapshot, self._variables, self._interval = snapshot, variables, interval

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self._snapshot:
            self._snapshot.restore(self._variables)
            if self._snapshot.step % self._interval == 0:
                self.model.reset_metrics()
            self._snapshot = None


def _spans(first: int, interval: int, batches: int) -> Iterator[tuple[int, int, int]]:
    """What is left as calls of Keras' fit: first and last batch, and steps of a Keras epoch.

    A run that goes on in the middle of an interval ends that one first.
    """
    if first % interval and first < batches:
        stop = min(first + interval - first % interval, batches)
        yield first, stop, stop - first
        first = stop
    if first < batches:
        yield first, batches, interval
