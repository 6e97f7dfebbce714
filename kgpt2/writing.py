"""Files and folders written whole or not at all; links and devices stay what they are."""

import contextlib
import errno
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from rich.filesize import decimal

from kgpt2.errors import RequestError, WorkError
from kgpt2.locks import handle_of, still_there, take

# Ends the names, hidden by a dot in front, of what is not yet, or no longer, what it will be or was.
TEMPORARY = ".kgpt2"
_ABANDONED = 24 * 3600  # seconds after which a temporary has no living owner, where the system knows no locks
# Of an array in HDF5, the larger of the formats: its header, its groups and their tables.
_DESCRIPTION = 4096


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path whose content becomes that of `path` when the block ends without an error.

    A link stays, and what it points to is replaced. A device or FIFO stays too: the content is written to it.
    """
    if is_stream(path):
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / "content"
            yield temporary
            with temporary.open("rb") as content, open_stream(path) as stream:
                shutil.copyfileobj(content, stream)
        return
    path = target_of(path)
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a file that can be written", str(path))
    with _named(path), _temporary(path, _make_file) as temporary:
        yield temporary
        _sync(temporary)
        _give_mode(temporary, path, 0o666)
        os.replace(temporary, path)


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: object) -> None:
    """Writes a JSON file whole or not at all; NaN and infinity are refused, since they are not JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yields an empty temporary folder that takes the place of `path` when the block ends without an error.

    A folder already at `path` stays as it is until the new one is complete. A link to a folder stays one.
    """
    path = target_of(path)
    with _named(path), temporary_folder(path) as temporary:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        _give_mode(temporary, path, 0o777)
        _exchange(temporary, path)


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yields an empty folder beside `path`, which goes with the block unless it is renamed, or with `sweep`."""
    with _temporary(path, tempfile.mkdtemp) as temporary:
        yield temporary


def settle(path: Path) -> None:
    """Ends an exchange by `whole_folder` that was cut short by a kill.

    The folder is moved aside, and its successor takes its name. In between there is none of that name: then the old
    one comes back. Readers may do so at any time, since a living writer begins the exchange again.
    """
    with contextlib.suppress(OSError):
        path = target_of(path)
        if path.exists():
            _discard(_aside(path))
        else:
            os.rename(_aside(path), path)


def sweep(folder: Path) -> None:
    """Settles exchanges in a folder, and removes the temporaries whose owners live no more."""
    for path in folder.glob(f".*{TEMPORARY}"):
        name, _, kind = path.name[1 : -len(TEMPORARY)].rpartition(".")
        with contextlib.suppress(OSError):
            if kind == _ASIDE:
                settle(folder / name)
            else:
                _remove_abandoned(path)


def target_of(path: Path) -> Path:
    """Where a path leads, links followed.

    Raises:
        OSError: links lead in a circle.
    """
    with contextlib.suppress(FileNotFoundError):
        path.stat()
    return Path(os.path.realpath(path))


def is_stream(path: Path) -> bool:
    """Whether a path is written to as a stream: a device, a FIFO, or a descriptor of this process (/dev/stdout)."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or _descriptor(path) is not None


def open_stream(path: Path) -> BinaryIO:
    """Opens what `is_stream`; a FIFO waits for its reader."""
    descriptor = _descriptor(path)
    # Opened by its name, a file behind a descriptor would be written from its beginning.
    return open(path, "wb") if descriptor is None else os.fdopen(os.dup(descriptor), "wb")


_ASIDE = "old"


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{_ASIDE}{TEMPORARY}")


def _exchange(new: Path, path: Path) -> None:
    aside = _aside(path)
    while True:
        if path.exists():
            _discard(aside)
            os.replace(path, aside)
        try:
            os.replace(new, path)
        except OSError:
            if aside.exists() or not path.exists():
                settle(path)
                raise
            continue  # a reader has taken this for an exchange that was cut short
        _discard(aside)
        return


def _discard(folder: Path) -> None:
    """Removes a folder under another name, so that half of it is never taken for the whole."""
    if folder.exists():
        with temporary_folder(folder) as temporary, contextlib.suppress(FileNotFoundError):
            os.replace(folder, temporary / folder.name)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors that name no file, as of a full disk, or a temporary, which is none of the user's, name this one."""
    try:
        yield
    except OSError as error:
        if error.errno and str(error.filename or TEMPORARY).endswith(TEMPORARY):
            error.filename, error.filename2 = str(path), None
        raise


@contextlib.contextmanager
def _temporary(path: Path, make: Callable[..., str]) -> Iterator[Path]:
    """A new temporary beside a path, locked while the block runs: `sweep` then knows that its owner lives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        temporary = Path(make(dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY))
        with contextlib.suppress(FileNotFoundError):  # swept between making and locking
            handle = handle_of(temporary)
            if handle is None or (take(handle) is not False and still_there(handle, temporary)):
                break
            os.close(handle)
    try:
        yield temporary
    finally:
        _remove(temporary)
        if handle is not None:
            os.close(handle)


def _make_file(dir: Path, prefix: str, suffix: str) -> str:
    handle, path = tempfile.mkstemp(suffix, prefix, dir)
    os.close(handle)
    return path


def require_room(path: Path, size: int, parts: int = 1) -> None:
    """Looks before the work begins: HDF5 crashes where it cannot write, and nobody likes to wait for a full disk.

    Args:
        path: what will be written.
        size: of the data in bytes.
        parts: into how many arrays they are divided; each has a description of its own.

    Raises:
        RequestError: the shell allows no file of this size.
        WorkError: the disk is too full.
    """
    size += parts * _DESCRIPTION
    limit = _largest_file()
    if limit is not None and size > limit:
        raise RequestError(f"{path}: File too large, {decimal(size)} where `ulimit -f` allows {decimal(limit)}")
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if free < size:
        raise WorkError(f"{path}: {decimal(size)} have to be written, and {folder} has {decimal(free)} left")


def _largest_file() -> int | None:
    """What `ulimit -f` allows; None: no limit, or no such thing on this system."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _remove_abandoned(path: Path) -> None:
    handle = handle_of(path)
    free = None if handle is None else take(handle)
    try:
        if free or (free is None and time.time() - path.stat().st_mtime > _ABANDONED):
            _remove(path)
    finally:
        if handle is not None:
            os.close(handle)


def _descriptor(path: Path) -> int | None:
    """The descriptor of this process that a path such as /dev/stdout or /dev/fd/3 stands for; None where it is none."""
    for _ in range(40):  # as many links as Linux follows
        home = os.path.realpath(path.parent)
        if re.fullmatch(rf"/proc/{os.getpid()}/(task/\d+/)?fd|/dev/fd", home) and path.name.isdigit():
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _give_mode(temporary: Path, path: Path, usual: int) -> None:
    """Lets a temporary be read by whom its predecessor can be read by; who has none gets what the umask leaves."""
    if path.exists():
        shutil.copymode(path, temporary)
    else:
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, usual & ~mask)
