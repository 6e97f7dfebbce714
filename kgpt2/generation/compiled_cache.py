"""Compiled models on disk, so that the next process need not compile: bounded, and safe with several processes.

They lie in `KGPT2_CACHE`, or `kgpt2` under `XDG_CACHE_HOME` (`~/.cache`). A file is written whole or not at all; when
all together are larger than `LIMIT`, those go that were used the longest ago.
"""

import contextlib
import hashlib
import io
import os
from pathlib import Path

import numpy as np

from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.files import cache_home, trim, whole_file

LIMIT = 8 << 30
_SUFFIX = ".compiled"


def folder() -> Path:
    """Where compiled models lie."""
    return cache_home() / "compiled"


def key_of(checkpoint: Checkpoint, *others: str) -> str:
    """A name for a model's weights as they are now, and for all else that the compiled model depends on.

    The weights are known by path, size and time of change: reading them would take longer than loading the result.
    """
    digest = hashlib.sha256(repr(others).encode())
    for path in sorted(path for folder in checkpoint.folders for path in folder.resolve().iterdir()):
        if path.is_file():
            state = path.stat()
            digest.update(repr((str(path), state.st_size, state.st_mtime_ns)).encode())
    return digest.hexdigest()[:32]


def load(key: str) -> np.ndarray | None:
    """A compiled model as bytes, mapped and not read; None where there is none.

    The file may be removed or replaced meanwhile: the mapping keeps what it had.
    """
    path = folder() / f"{key}{_SUFFIX}"
    try:
        with contextlib.suppress(PermissionError):
            os.utime(path)
        # "c": OpenVINO takes writable memory only; nothing is written back.
        return np.memmap(path, np.uint8, "c")
    except (OSError, ValueError):
        return None


def store(key: str, compiled: io.BytesIO) -> None:
    """Keeps a compiled model; where the disk does not take it, the next process compiles again."""
    with contextlib.suppress(OSError):
        path = folder() / f"{key}{_SUFFIX}"
        with whole_file(path) as temporary:
            temporary.write_bytes(compiled.getbuffer())
        trim(folder(), LIMIT, keep=path)


def drop(key: str) -> None:
    """Removes one compiled model."""
    with contextlib.suppress(OSError):
        (folder() / f"{key}{_SUFFIX}").unlink()


def clear() -> int:
    """Removes all compiled models, and what JAX has compiled; returns how many bytes they took."""
    programs = [path for path in (cache_home() / "jax").rglob("*") if path.is_file()]
    return sum(_remove(path) for path in [*_files(), *programs])


def _files() -> list[Path]:
    return list(folder().glob(f"*{_SUFFIX}"))


def _remove(path: Path) -> int:
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        path.unlink()
        return size
    return 0
