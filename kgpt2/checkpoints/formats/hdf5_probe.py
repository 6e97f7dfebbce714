"""HDF5 files looked through in a process of their own: on a damaged one the C library crashes, or never ends."""

import functools
import os
import subprocess
import sys
from pathlib import Path

from kgpt2.errors import RequestError

SECONDS = 4  # of a processor; what is whole takes a tenth
_WAIT = 60
_PROGRAM = """
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]), int(sys.argv[2]) + 1))
except (ImportError, ValueError):
    pass
from kgpt2.checkpoints.formats.hdf5 import walk
walk(sys.argv[1])
"""


def require_sound(path: Path) -> None:
    """Reads the description of a file as `open_hdf5` will, where a crash hurts nobody. The same file is read once.

    Raises:
        RequestError: its reader crashes, or takes longer than any whole file does.
    """
    state = path.stat()
    _require_sound(path.resolve(), state.st_size, state.st_mtime_ns, state.st_ino)


@functools.lru_cache(maxsize=64)
def _require_sound(path: Path, *state: int) -> None:
    home = str(Path(__file__).parents[3])
    paths = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(path), str(SECONDS)],
            env={**os.environ, "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_WAIT,
        )
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode < 0:  # ended by a signal; any other error is told when the file is opened here
        raise RequestError(f"{path}: refused, its structure makes the reader of HDF5 crash or run without end")
