"""Where a command writes: refused before the work where it cannot be written, and one process's alone during it."""

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kgpt2.errors import RequestError
from kgpt2.locks import locked
from kgpt2.writing import TEMPORARY, is_stream, sweep, target_of

_RANDOM = 8  # characters that `tempfile` adds to a name
_REASONS = {
    errno.ENAMETOOLONG: "the name is too long (it gets a little longer while it is written); choose a shorter one",
    errno.ENOTDIR: "a name above it is that of a file, not of a folder",
    errno.ELOOP: "this link leads in a circle",
}


@contextlib.contextmanager
def claimed_file(path: Path, label: str, suffix: str = "") -> Iterator[None]:
    """Takes a file to write for this process, until the block ends.

    Missing folders above it are made; those that are still empty at the end go again.

    Args:
        path: the file. A device or FIFO may be claimed more than once.
        label: what it is called in errors, "--out FILE".
        suffix: the longest that its name gets while it is written.

    Raises:
        RequestError: nothing can be written there, or another process is writing there.
    """
    with _refused(label):
        if path.is_dir():
            raise RequestError(f"{label}: this is a folder, a file is wanted")
        streamed = is_stream(path)
        if streamed and not os.access(path, os.W_OK):
            raise PermissionError(None, "no permission")
        target = target_of(path)
        if not streamed:
            _require_writable(target, label, suffix)
    if streamed:
        yield
    else:
        with _claimed(target.parent, target.name, label):
            yield


@contextlib.contextmanager
def claimed_folder(path: Path, label: str, *, replaced: bool) -> Iterator[None]:
    """Takes a folder, as `claimed_file` does a file.

    Args:
        path: the folder; it may be missing.
        label: what it is called in errors.
        replaced: it is written beside and takes its place when it is whole; False: it is written into.
    """
    require_folder(path, label, replaced=replaced)
    target = target_of(path)
    home, name = (target.parent, target.name) if replaced else (target, "run")
    with _claimed(home, name, label):
        yield


def require_folder(path: Path, label: str, *, replaced: bool) -> None:
    """Raises RequestError where a folder cannot be written; arguments as those of `claimed_folder`. Makes nothing."""
    with _refused(label):
        target = target_of(path)
        if target.exists() and not target.is_dir():
            raise RequestError(f"{label}: this is a file, a folder is wanted")
        _require_writable(target if replaced else target / "file", label)


def _require_writable(target: Path, label: str, suffix: str = "") -> None:
    """Looks for whatever would keep a file or folder from getting its content; OSErrors say it too."""
    if target.exists():
        if not (target.is_file() or target.is_dir()):
            kind = "a block device" if stat.S_ISBLK(target.stat().st_mode) else "a socket"
            raise RequestError(f"{label}: this is {kind}, and is not written to")
        if not os.access(target, os.W_OK):
            raise RequestError(f"{label}: write-protected; remove it or choose another name")
        if os.path.ismount(target):
            raise RequestError(f"{label}: something is mounted there, so it cannot be replaced; choose a name below it")
    folder = target.parent
    missing = [above for above in (folder, *folder.parents) if not above.exists()]
    home = missing[-1].parent if missing else folder
    if not home.is_dir():
        raise RequestError(f"{label}: {home} is a file, not a folder")
    longest = f".{target.name}{suffix}.{'x' * _RANDOM}{TEMPORARY}"
    for name in (longest, *(above.name for above in missing)):
        (home / name).exists()  # OSError: the name is too long
    tempfile.TemporaryFile(dir=home).close()


@contextlib.contextmanager
def _claimed(home: Path, name: str, label: str) -> Iterator[None]:
    """Makes a folder where it is missing, holds a lock in it, and sweeps it."""
    missing = [above for above in (home, *home.parents) if not above.exists()]
    try:
        with contextlib.ExitStack() as stack:
            with _refused(label):
                home.mkdir(parents=True, exist_ok=True)
                mine = stack.enter_context(locked(home / f".{name}.lock{TEMPORARY}"))
            if not mine:
                raise RequestError(
                    f"{label}: another process is writing there\nwait for its end, or choose another name"
                )
            sweep(home)
            yield
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):  # it holds something by now
                folder.rmdir()


@contextlib.contextmanager
def _refused(label: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if known := _REASONS.get(error.errno or 0):
            raise RequestError(f"{label}: {known}") from None
        raise RequestError(f"{label}: cannot be written ({error.strerror or error}); choose another place") from None
