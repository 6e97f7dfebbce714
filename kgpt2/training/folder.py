"""The run folder."""

from pathlib import Path

from kgpt2.errors import RequestError

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
