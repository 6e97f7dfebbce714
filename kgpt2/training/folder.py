"""The run folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from kgpt2 import interrupts
from kgpt2.errors import Interrupted, RequestError

# Any of these shows that a run was written here.
TRACES = ("config.yaml", "metrics.csv", "summary.json", "preset", "checkpoints")


def run_folder(folder: Path, resume: bool = False) -> Path:
    """A folder that a run may be written to, or go on in.

    Raises:
        RequestError: it is a file, or a run lies in it that is not to be resumed.
    """
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"--out {folder}: this is a file; a run is written to a folder")
    if not resume and any((folder / name).exists() for name in TRACES):
        raise RequestError(
            f"--out {folder}: a run lies there already\n--resume goes on with it; or choose another folder"
        )
    return folder


def is_complete(folder: Path) -> bool:
    """Whether the run in a folder came to its end."""
    return (folder / "summary.json").exists()


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
        return Interrupted(f"{when}\n--resume goes on from the last checkpoint in {folder}")
    if step:
        return Interrupted(f"{when}\nthere is no checkpoint yet to go on from")
    return Interrupted(f"{when}, with nothing learned\n--resume begins anew in {folder}")


@contextlib.contextmanager
def stoppable(folder: Path) -> Iterator[None]:
    """An interrupt of what comes before the first step says how to go on with the run in a folder."""
    try:
        with interrupts.recognised():
            yield
    except KeyboardInterrupt:
        raise interrupted(folder) from None
