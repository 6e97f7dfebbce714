"""Compiled models on disk, so that the next process need not compile: bounded, and safe with several processes.

They lie in `KGPT2_CACHE`, or where the system keeps caches (`~/.cache/kgpt2` on Linux). A file is written whole or not
at all, and sealed: a damaged one is found. When all together are larger than `LIMIT`, those go that were used the
longest ago.
"""

import contextlib
import hashlib
import io
from pathlib import Path

import numpy as np

from kgpt2.cache import (
    Damaged,
    SealedFile,
    cache_folder,
    cache_home,
    mark_used,
    sealed_size,
    tell_damaged,
    tell_unkept,
    trim,
)
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.writing import sweep, whole_file

LIMIT = 8 << 30
_NAME, _SUFFIX = "compiled", ".compiled"
# Another number whenever files of this cache are laid out otherwise.
_REVISION = 2


def folder() -> Path:
    """Where compiled models lie."""
    return cache_home() / _NAME


def key_of(checkpoint: Checkpoint, *others: str) -> str:
    """A name for a model's weights as they are now, and for all else that the compiled model depends on.

    The weights are known by path, size and time of change: reading them would take longer than loading the result.
    """
    digest = hashlib.sha256(repr((_REVISION, *others)).encode())
    for path in sorted(path for folder in checkpoint.folders for path in folder.resolve().iterdir()):
        if path.is_file():
            state = path.stat()
            digest.update(repr((str(path), state.st_size, state.st_mtime_ns)).encode())
    return digest.hexdigest()[:32]


def load(key: str) -> np.ndarray | None:
    """A compiled model as bytes, mapped and not read; None where there is none that is whole.

    The file may be removed or replaced meanwhile: the mapping keeps what it had.
    """
    try:
        path = _path(key)
        size = sealed_size(path)
        mark_used(path)
        # "c": OpenVINO takes writable memory only; nothing is written back.
        return np.memmap(path, np.uint8, "c", shape=(size,))
    except Damaged:
        drop(key)
    except (OSError, ValueError):
        pass
    return None


def store(key: str, compiled: io.BytesIO) -> None:
    """Keeps a compiled model; where the disk does not take it, the user is told."""
    try:
        path = _path(key)
        with whole_file(path) as temporary, SealedFile(temporary) as file:
            file.write(compiled.getbuffer())
    except OSError as error:
        tell_unkept("the compiled model is", error)
        return
    sweep(path.parent)
    trim(path.parent, LIMIT, keep=path)


def drop(key: str) -> None:
    """Removes one compiled model, which is damaged, and tells the user."""
    with contextlib.suppress(OSError):
        path = _path(key)
        tell_damaged(path, "the compiled model is")
        path.unlink()


def clear() -> int:
    """Removes all compiled models, and what JAX has compiled; returns how many bytes they took."""
    sweep(folder())
    programs = [path for path in (cache_home() / "jax").rglob("*") if path.is_file()]
    return sum(_remove(path) for path in [*_files(), *programs])


def _path(key: str) -> Path:
    return cache_folder(_NAME) / f"{key}{_SUFFIX}"


def _files() -> list[Path]:
    return list(folder().glob(f"*{_SUFFIX}"))


def _remove(path: Path) -> int:
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        path.unlink()
        return size
    return 0
