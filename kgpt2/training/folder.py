"""The run folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from kgpt2.errors import RequestError
from kgpt2.files import sweep
from kgpt2.outputs import claimed_folder, require_folder

# Any of these shows that a run was written here.
TRACES = ("config.yaml", "metrics.csv", "summary.json", "preset", "checkpoints")


def run_folder(folder: Path, resume: bool = False) -> Path:
    """A folder that a run may be written to, or go on in.

    Raises:
        RequestError: it cannot be written, or a run lies in it that is not to be resumed.
    """
    require_folder(folder, f"--out {folder}", replaced=False)
    if not resume and any((folder / name).exists() for name in TRACES):
        raise RequestError(
            f"--out {folder}: a run lies there already\n--resume goes on with it; or choose another folder"
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
