"""The run folder."""

from pathlib import Path

from kgpt2.errors import RequestError

# Any of these shows that a run was written here.
TRACES = ("config.yaml", "metrics.csv", "summary.json", "preset")


def new_run_folder(folder: Path) -> Path:
    """A folder that a run may be written to.

    Raises:
        RequestError: it is a file, or a run lies in it already.
    """
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"--out {folder}: this is a file; a run is written to a folder")
    if any((folder / name).exists() for name in TRACES):
        raise RequestError(f"--out {folder}: a run lies there already\nchoose another folder, or remove that one first")
    return folder
