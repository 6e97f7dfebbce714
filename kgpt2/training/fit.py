"""A run from a plan: build or load the model, Keras `fit`, and the run folder."""

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

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
from kgpt2.training.tensorboard import TensorBoard
from kgpt2.training.terminal import Shown
from kgpt2.training.token_meter import TokenMeter
from kgpt2.writing import write_json, write_text


def fit(config: Config, plan: Plan, folder: Path, console: Console, *, resume: bool = False) -> dict:
    """Trains a model and writes the run folder.

    It gets config.yaml, metrics.csv, checkpoints/, preset/, tensorboard/, samples.txt (where there are prompts),
    curves.png and, at last, summary.json.

    Args:
        config: the run's.
        plan: from `prepare`.
        folder: where to write; made where it is missing.
        console: for progress, usually stderr.
        resume: go on from the newest checkpoint in the folder, where there is one.

    Returns:
        The summary, as in summary.json.

    Raises:
        RequestError: what is to be resumed was another run, or the devices do not divide batches or model.
        WorkError: the loss is not finite any more, memory is not enough, another process of the run has ended, or the
            user interrupted the run; what was saved before is kept.
    """
    tell = functools.partial(console.print, markup=False, highlight=False, soft_wrap=True)
    keras.utils.set_random_seed(config.train.seed)
    stopping = "stopping after this step, with a checkpoint; once more: at once"
    try:
        with interrupts.held_back(lambda: tell(stopping)), processes.together(), distributed(config, plan, tell):
            return _run(config, plan, folder, console, tell, resume)
    except Exception as error:
        if is_out_of_memory(error):
            raise out_of_memory(config) from None
        raise


def _run(config: Config, plan: Plan, folder: Path, console: Console, tell: Callable[[str], None], resume: bool) -> dict:
    task = build(config, plan)
    network = trainable_network(task, config, plan.updates, jit_compile(config, plan, task))
    variables, data = variables_of(network), plan.train.fingerprint
    checkpoint = latest_snapshot(folder, config, data, tell) if resume else None
    if resume and not checkpoint:
        if is_complete(folder):
            raise RequestError(
                f"{folder}: the run is complete and has no checkpoint to go on from\n"
                "a longer one starts in another folder"
            )
        tell(f"{folder}: there is no checkpoint to go on from, so the run begins anew")
    (folder / "summary.json").unlink(missing_ok=True)  # a run that is made longer is not complete any more
    write_text(folder / "config.yaml", dump_config(config))
    accumulate = config.train.accumulate
    batches = plan.updates * accumulate
    before = checkpoint.progress["seconds"] if checkpoint else 0.0
    began = time.perf_counter()

    def save() -> None:
        guard.require_finite(variables)
        save_preset(task, folder / "preset")

    def save_progress(step: int) -> None:
        guard.require_finite(variables)
        progress = {name: one.progress() for name, one in kept.items()}
        progress["seconds"] = before + time.perf_counter() - began
        save_snapshot(folder, step, variables, progress, config, data, config.train.keep_checkpoints)

    meter = TokenMeter(plan.train, batches, accumulate)
    guard = Guard(meter, plan.train, plan.tokenizer, folder, console)
    shown = Shown(meter, batches, console)
    recorded = Recorded(folder, meter, plan.train.per_epoch, save, config.train.early_stopping)
    decoder = Decoder(KerasRuntime(task), plan.tokenizer, plan.sampling)
    samples = Samples(folder, meter, plan.prompts, decoder, console)
    tensorboard = TensorBoard(folder, recorded, samples, bool(plan.validation), checkpoint.step if checkpoint else 0)
    saved = Saved(meter, config.train, plan.interval, save_progress, processes.asked_to_stop)
    # The checkpoint comes last: what the others make of a validation belongs to it.
    callbacks = [guard, meter, shown, recorded, samples, tensorboard, saved]
    kept = {"meter": meter, "recorded": recorded, "samples": samples}
    if checkpoint:
        tell(f"going on from step {checkpoint.step:,}")
        try:
            for name, one in kept.items():
                one.go_on(checkpoint.progress[name])
        except KeyError as error:
            raise RequestError(f"{checkpoint.folder}: damaged, there is no {error}; remove it") from None
        callbacks.append(_Restored(checkpoint, variables, plan.interval))
    validation = dataset(plan.validation, plan.validation.per_epoch) if plan.validation else None
    try:
        if processes.asked_to_stop(meter.step):
            raise KeyboardInterrupt
        for first, stop, steps in _spans(meter.batches, plan.interval * accumulate, batches):
            network.fit(
                dataset(plan.train, stop - first, first),
                shuffle=False,  # `Batches` has done it
                steps_per_epoch=steps,
                epochs=-(-(stop - first) // steps),
                validation_data=validation,
                callbacks=callbacks,
                verbose=0,
            )
            if network.stop_training:
                break
    except KeyboardInterrupt:
        raise _interrupted(folder, meter.step, recorded, save) from None
    except Exception as error:
        if interrupts.came() and not isinstance(error, Kgpt2Error):  # the second, which a backend took for an error
            raise _interrupted(folder, meter.step, recorded, save) from None
        if processes.is_lost():
            raise WorkError(processes.LOST) from None
        raise
    finally:
        shown.close()
        if recorded.rows:
            draw_curves(recorded.rows, folder / "curves.png")
    seconds = before + time.perf_counter() - began
    summary = summarise(config, network, task.backbone, meter, recorded, plan.train.per_epoch, seconds)
    write_json(folder / "summary.json", summary)
    return summary


class _Restored(keras.callbacks.Callback):
    """Gives the variables their values of a checkpoint, once Keras has reset the metrics of the first interval.

    Where the checkpoint ended an interval, its metrics belong to the past.
    """

    def __init__(self, checkpoint: Snapshot, variables: list[keras.Variable], interval: int):
        super().__init__()
        self._checkpoint, self._variables, self._interval = checkpoint, variables, interval

    def on_epoch_begin(self, epoch, logs=None):
        if self._checkpoint:
            self._checkpoint.restore(self._variables)
            if self._checkpoint.step % self._interval == 0:
                self.model.reset_metrics()
            self._checkpoint = None


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


def _interrupted(folder: Path, step: int, recorded: Recorded, save: Callable[[], None]) -> Interrupted:
    kept = "the best model so far" if recorded.validation else "the model saved last"
    if step and recorded.train is None:
        try:
            save()
        except Exception:  # in the middle of a step a backend's variables may hold nothing
            kept = ""
    return interrupted(folder, step, kept)
