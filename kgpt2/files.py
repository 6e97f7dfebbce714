"""Files read strictly and written whole or not at all."""

import contextlib
import json
import os
import platform
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from kgpt2.errors import RequestError


def cache_home() -> Path:
    """Where kgpt2 keeps what it can make again: `KGPT2_CACHE`, or `kgpt2` under `XDG_CACHE_HOME` (`~/.cache`)."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("KGPT2_CACHE") or home / "kgpt2")


def jax_programs() -> Path:
    """Where JAX keeps what it has compiled for this kind of processor."""
    return cache_home() / "jax" / _processor()


def read_text(path: Path, what: str = "file") -> str:
    """The text of a UTF-8 file, a byte order mark left out.

    Raises:
        RequestError: the file is missing, a directory, unreadable or not UTF-8 (with line and byte).
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise RequestError(f"{path}: there is no such {what}") from None
    except IsADirectoryError:
        raise RequestError(f"{path}: this is a directory, a {what} was expected") from None
    except OSError as error:
        raise RequestError(f"{path}: cannot be read ({error.strerror})") from None
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
    except RecursionError:
        raise RequestError(f"{path}: not JSON that can be read (nested too deeply)") from None


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
