"""HDF5 files whose trees are none: on such a one the C library crashes, or never ends.

Trees are looked at here, in all files; where one is not as the library writes it, another process reads the file first.
"""

import functools
import mmap
import os
import struct
import subprocess
import sys
from pathlib import Path

from kgpt2.errors import RequestError

SECONDS = 4  # of a processor; what is whole takes a tenth
# A node of a group's tree (HDF5 File Format Specification 3.0, III.A.1): signature, type, level, used entries, its
# neighbours to the left and right; then a key in front of each child.
_NODE = struct.Struct("<4sBBHQQ")
_NOBODY = 2**64 - 1
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
    """Looks for what makes the C library crash or run without end.

    Raises:
        RequestError: there is such a thing.
    """
    state = path.stat()
    _require_sound(path.resolve(), state.st_size, state.st_mtime_ns, state.st_ino)


@functools.lru_cache(maxsize=64)
def _require_sound(path: Path, size: int, *state: int) -> None:
    if not size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        ordinary = _has_ordinary_trees(data)
    if not ordinary and _fells_its_reader(path):
        raise RequestError(f"{path}: refused, its structure makes the reader of HDF5 crash or run without end")


def _has_ordinary_trees(data: mmap.mmap) -> bool:
    """Whether every node's children are a level below it, and its neighbours know it and come to an end."""
    nodes: dict[int, tuple[int, int]] = {}
    place = data.find(b"TREE")
    while place >= 0:
        if place + _NODE.size > len(data):
            return False
        _, kind, level, used, left, right = _NODE.unpack_from(data, place)
        ends = place + _NODE.size + 8 + 16 * used
        if kind or ends > len(data):  # the index of chunks, which no file of weights has; or not in the file
            return False
        for (child,) in struct.iter_unpack("<Q8x", data[place + _NODE.size + 8 : ends]):
            below = data[child : child + 6]
            if below[:4] != (b"TREE" if level else b"SNOD") or (level and below[5] != level - 1):
                return False
        nodes[place] = left, right
        place = data.find(b"TREE", place + 1)
    met = 0
    for place, (left, right) in nodes.items():
        if left != _NOBODY:
            continue
        while True:
            met += 1
            if right == _NOBODY:
                break
            if right not in nodes or nodes[right][0] != place:
                return False
            place, right = right, nodes[right][1]
    return met == len(nodes)


def _fells_its_reader(path: Path) -> bool:
    """Whether a process that reads the description of a file is ended by a signal, or must be."""
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
        return True
    return done.returncode < 0  # any other error is told when the file is opened here
