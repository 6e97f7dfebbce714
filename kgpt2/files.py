"""Files read strictly and written whole or not at all."""

import contextlib
import json
import os
import platform
import re
import resource
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rich.filesize import decimal

from kgpt2.errors import RequestError, WorkError, escaped

# Far more than any description of a model, so that a file that pretends to be one cannot fill the memory.
MAX_TEXT_BYTES = 64 << 20
# Of an array in HDF5, the larger of the formats: its header, its groups and their tables.
_DESCRIPTION = 4096
_SURROGATE = re.compile("[\ud800-\udfff]")


def cache_home() -> Path:
    """Where kgpt2 keeps what it can make again: `KGPT2_CACHE`, or `kgpt2` under `XDG_CACHE_HOME` (`~/.cache`)."""
    if chosen := os.environ.get("KGPT2_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or home(".cache", "KGPT2_CACHE")) / "kgpt2"


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


def jax_programs() -> Path:
    """Where JAX keeps what it has compiled for this kind of processor."""
    return cache_home() / "jax" / _processor()


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
            f"save the file as UTF-8, or convert it: iconv -f GB18030 -t UTF-8 {path.name}"
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
    """Yields a temporary path beside `path` that takes its place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        yield Path(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


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

    A folder already at `path` stays as it is until the new one is complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    os.chmod(temporary, 0o777 & ~_umask())
    try:
        yield temporary
        if path.exists():
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.old.") as old:
                os.replace(path, Path(old) / path.name)
                os.replace(temporary, path)
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit != resource.RLIM_INFINITY and size > limit:
        raise RequestError(f"{path}: File too large, {decimal(size)} where `ulimit -f` allows {decimal(limit)}")
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if free < size:
        raise WorkError(f"{path}: {decimal(size)} have to be written, and {folder} has {decimal(free)} left")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def trim(folder: Path, limit: int, keep: Path | None = None) -> None:
    """Removes the files of a cache that were used longest ago, until the rest takes no more than a limit of bytes.

    One of them may be kept whatever it takes.
    """
    states = []
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                states.append((path.stat(), path))
    left = sum(state.st_size for state, _ in states)
    for state, path in sorted(states, key=lambda one: max(one[0].st_mtime, one[0].st_atime)):
        if left <= limit:
            return
        with contextlib.suppress(OSError):
            if path != keep:
                path.unlink()
            left -= state.st_size


def _processor() -> str:
    """A name for the instructions that this machine's processor knows: programs for a CPU may use all of them."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()}-{zlib.crc32(flags.encode()):08x}"
