"""The run folder."""

import contextlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kgpt2 import interrupts
from kgpt2.config.recipes import load_config
from kgpt2.config.sections import Config
from kgpt2.data.hub_datasets import is_the_same
from kgpt2.errors import Interrupted, RequestError, escaped
from kgpt2.files import read_object
from kgpt2.outputs import claimed_folder, require_folder
from kgpt2.writing import sweep

# Any of these shows that a run was written here.
TRACES = ("config.yaml", "metrics.csv", "summary.json", "preset", "checkpoints")

# Sections and keys that may change when a run goes on; any other would make it another run.
FREE = (
    *("sample", "data.path", "train.checkpoint_every", "train.checkpoint_minutes", "train.keep_checkpoints"),
    "train.log",
)
# Keys of `train` that may grow: the run then has more updates.
LENGTHS = ("epochs", "steps")


def run_folder(folder: Path, resume: bool = False) -> Path:
    """A folder that a run may be written to, or go on in.

    Raises:
        RequestError: it cannot be written, or a run lies in it that is not to be resumed.
    """
    require_folder(folder, f"--out {folder}", replaced=False)
    if not resume and any((folder / name).exists() for name in TRACES):
        raise RequestError(
            f"--out {folder}: a run lies there already\n{_way_on(folder)} goes on with it; or choose another folder"
        )
    return folder


@contextlib.contextmanager
def claimed_run(folder: Path, resume: bool = False) -> Iterator[None]:
    """Takes a `run_folder` for this process, and mends what a killed one has left in it.

    Raises:
        RequestError: as `run_folder`; or another process writes there.
    """
    with claimed_folder(folder, f"--out {folder}", replaced=False):
        sweep(folder / "checkpoints")
        run_folder(folder, resume)
        yield


def is_complete(folder: Path) -> bool:
    """Whether the run in a folder came to its end."""
    return (folder / "summary.json").exists()


def finished_summary(folder: Path, config: Config) -> dict[str, Any] | None:
    """The summary of a run that is complete and that this configuration does not make longer; None otherwise.

    Raises:
        RequestError: the run had other settings.
    """
    if not is_complete(folder):
        return None
    then = load_config(folder / "config.yaml")
    require_the_same(folder, then, config)
    return None if is_longer(then, config) else read_object(folder / "summary.json", "summary of a run")


def require_the_same(where: Path, then: Config, now: Config) -> None:
    """Sees to it that going on is the same run: a longer one perhaps, and of wsd with another decay.

    Args:
        where: a checkpoint or a run folder, for the message.
        then, now: the run's configuration when it was written, and the one asked for.

    Raises:
        RequestError: other settings have changed.
    """
    old, new = _settled(then), _settled(now)
    free = {*FREE, "train.decay"} if then.train.schedule == now.train.schedule == "wsd" else set(FREE)
    free |= {f"train.{name}" for name in LENGTHS if _grows(old["train"][name], new["train"][name])}
    changed = [
        f"{section}.{name} ({_in_yaml(old[section][name])} then, {_in_yaml(value)} now)"
        for section, values in new.items()
        for name, value in values.items()
        if not _is_the_same(old[section][name], value) and not {section, f"{section}.{name}"} & free
    ]
    if changed:
        raise RequestError(
            f"{where}: --resume with other settings would be another run: {', '.join(changed[:3])}\n"
            f"take the old settings (config.yaml of the run has them), or start a run in another folder"
        )


def _in_yaml(value: object) -> str:
    """A value as a configuration has it (JSON is YAML)."""
    return escaped(json.dumps(value, ensure_ascii=False))


def _is_the_same(then: object, now: object) -> bool:
    """Whether a value has stayed; a dataset of the hub may leave out the commit that config.yaml has."""
    both = isinstance(then, str) and isinstance(now, str)
    return is_the_same(str(then), str(now)) if both else then == now


def is_longer(then: Config, now: Config) -> bool:
    """Whether a run has been given more updates than it had."""
    old, new = _settled(then)["train"], _settled(now)["train"]
    return any(_grows(old[name], new[name]) for name in LENGTHS)


def _settled(config: Config) -> dict[str, dict[str, Any]]:
    """All values by section, the length of a run that names none written out: one epoch."""
    values = config.model_dump()
    if values["train"]["epochs"] is values["train"]["steps"] is None:
        values["train"]["epochs"] = 1
    return values


def _grows(then: int | None, now: int | None) -> bool:
    return then is not None and now is not None and now > then


def interrupted(folder: Path, step: int = 0, kept: str = "") -> Interrupted:
    """The error that says what is left of a run in a folder, and how to go on.

    Args:
        folder: the run's.
        step: optimizer updates done; 0: before the first.
        kept: what the folder has as preset/; "": nothing of this process.
    """
    model = f"; {kept} is in {folder / 'preset'}" if kept else ""
    when = f"interrupted after step {step:,}{model}" if step else "interrupted before the first step"
    if any((folder / "checkpoints").glob("step-*")):
        return Interrupted(f"{when}\n{_way_on(folder)} goes on from the last checkpoint")
    if step:
        return Interrupted(f"{when}\nthere is no checkpoint yet to go on from")
    return Interrupted(f"{when}, with nothing learned\n{_way_on(folder)} begins anew")


def _way_on(folder: Path) -> str:
    """The command that goes on with the run in a folder, ready to be copied."""
    config = folder / "config.yaml"
    if not config.exists():  # stopped before it was written
        return "the same command with --resume"
    return f"`kgpt2 fit {shlex.quote(str(config))} --out {shlex.quote(str(folder))} --resume`"


@contextlib.contextmanager
def stoppable(folder: Path) -> Iterator[None]:
    """An interrupt of what comes before the first step says how to go on with the run in a folder."""
    try:
        with interrupts.recognised():
            yield
    except KeyboardInterrupt:
        raise interrupted(folder) from None
