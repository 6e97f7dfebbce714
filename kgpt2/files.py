"""Files read strictly and written whole or not at all."""

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

from kgpt2.encodings import or_convert, told_encoding
from kgpt2.errors import RequestError, WorkError, escaped
from kgpt2.locks import handle_of, still_there, take

# Ends the names, hidden by a dot in front, of what is not yet, or no longer, what it will be or was.
TEMPORARY = ".kgpt2"
_ABANDONED = 24 * 3600  # seconds after which a temporary has no living owner, where the system knows no locks
# Far more than any description of a model, so that a file that pretends to be one cannot fill the memory.
MAX_TEXT_BYTES = 64 << 20
# Of an array in HDF5, the larger of the formats: its header, its groups and their tables.
_DESCRIPTION = 4096
_SURROGATE = re.compile("[\ud800-\udfff]")


def home(name: str, variable: str) -> Path:
    """A folder of the user's home; where there is none, the error names the environment variable that does without.

    Raises:
        RequestError: the user has no home directory.
    """
    try:
        return Path.home() / name
    except RuntimeError:
        raise RequestError(f"~/{name}: this user has no home directory\n{variable}=FOLDER does without one") from None


def user_path(text: str) -> Path:
    """A path as a user writes it, with `~` for the home directory.

    Raises:
        RequestError: there is no such home, or no file can have this name.
    """
    try:
        path = Path(text).expanduser()
        path.exists()
    except RuntimeError:
        raise RequestError(f"{escaped(text)}: there is no such home directory; write the path out") from None
    except (OSError, ValueError) as error:
        raise RequestError(f"{escaped(text)}: no path ({_reason(error)})") from None
    if "\0" in text:
        raise RequestError(f"{escaped(text)}: no path (a NUL is in it)")
    return path


def require_regular(path: Path, what: str = "file") -> None:
    """Refuses what is no plain file: a FIFO or a device would keep its reader waiting, or never end.

    Raises:
        RequestError: it is missing, a directory, a FIFO, a device or a socket, or its links lead in a circle.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise RequestError(f"{path}: there is no such {what}") from None
    except (OSError, ValueError) as error:
        raise RequestError(f"{escaped(path, 300)}: cannot be read ({_reason(error)})") from None
    if stat.S_ISDIR(mode):
        raise RequestError(f"{path}: this is a directory, a {what} was expected")
    if not stat.S_ISREG(mode):
        raise RequestError(f"{path}: refused, no regular file (a {what} was expected, not a FIFO or a device)")


def open_regular(path: Path, what: str = "file") -> BinaryIO:
    """Opens a plain file to read its bytes.

    Raises:
        RequestError: as `require_regular`, and where it cannot be opened.
    """
    require_regular(path, what)
    try:
        # Not blocking: what has become a FIFO in the meantime keeps nobody waiting either.
        return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
    except OSError as error:
        raise RequestError(f"{path}: cannot be read ({_reason(error)})") from None


def read_text(path: Path, what: str = "file", limit: int = MAX_TEXT_BYTES) -> str:
    """The text of a UTF-8 file, a byte order mark left out.

    Raises:
        RequestError: the file is missing, no plain file, unreadable, of more bytes than the limit, or not UTF-8 (with
            line and byte).
    """
    with open_regular(path, what) as file:
        if os.fstat(file.fileno()).st_size > limit:
            raise RequestError(f"{path}: refused, a {what} of more than {limit:,} bytes")
        try:
            data = file.read()
        except OSError as error:
            raise RequestError(f"{path}: cannot be read ({_reason(error)})") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RequestError(
            f"{path}, line {line}: not UTF-8 (byte {error.start} is 0x{data[error.start]:02x})\n"
            f"save the file as UTF-8{or_convert(told_encoding(data), path.name)}"
        ) from None


def read_json(path: Path, what: str = "file") -> object:
    """The content of a UTF-8 JSON file.

    Raises:
        RequestError: as `read_text`, and where the text is not JSON (with line and column).
    """
    text = read_text(path, what)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise RequestError(f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path}: not JSON that can be read ({json_fault(error)})") from None


def is_text(value: str) -> bool:
    """Whether a string can be written as UTF-8: JSON's \\ud83d alone is half a character."""
    return value.isascii() or not _SURROGATE.search(value)


def json_fault(error: ValueError | RecursionError) -> str:
    """What is wrong with a text that `json.loads` did not take."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    return "nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"


def read_object(path: Path, what: str = "file") -> dict:
    """The content of a UTF-8 JSON file that holds an object.

    Raises:
        RequestError: as `read_json`, and where it holds anything else.
    """
    value = read_json(path, what)
    if not isinstance(value, dict):
        raise RequestError(f"{path}: not a {what} (a JSON object is expected)")
    return value


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


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
