"""Files read strictly and written whole or not at all."""

import codecs
import contextlib
import json
import os
import platform
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from kgpt2.errors import RequestError

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# What Chinese text is made of, read as UTF-16 in the right order of bytes.
_CHINESE_OR_ASCII = re.compile(r"[\t\n\r -~\u00b7\u2010-\u2026\u3000-\u303f\u3400-\u9fff\uff01-\uff65]")
_TWO_OR_FOUR_BYTES = re.compile(rb"[\x81-\xfe](?:[\x30-\x39][\x81-\xfe][\x30-\x39]|[\x40-\xfe])")
# The bytes of marks and frequent characters: each encoding has those of one script in a block of its own.
_FREQUENT_GB = re.compile(rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]")
_FREQUENT_BIG5 = re.compile(rb"[\xa1-\xc6][\x40-\x7e\xa1-\xfe]")
_DOUBLE_BYTE = {
    "GB18030": _FREQUENT_GB,
    **dict.fromkeys(("BIG5", "CP950", "BIG5-HKSCS"), _FREQUENT_BIG5),
}
_LEAST_BYTES = 8  # of UTF-16 without a byte order mark
_LEAST_FREQUENT = 0.3  # traditional characters in GB18030 have 0.4; a Latin text has none


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
            f"save the file as UTF-8{or_convert(told_encoding(data), path.name)}"
        ) from None


def told_encoding(data: bytes) -> str | None:
    """The encoding of Chinese text that is not UTF-8, by the name that Python and iconv share.

    A text of ten characters tells enough. The end may be cut anywhere.

    Returns:
        UTF-16 or UTF-32 where a byte order mark says so, UTF-16LE, UTF-16BE, GB18030, BIG5 or its extensions CP950 and
        BIG5-HKSCS; None where the text is UTF-8, or none of these.
    """
    for mark, name in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return name
    return _told_utf16(data) or (None if _decodes(data, "utf-8") else _told_double_byte(data))


def or_convert(encoding: str | None, name: str) -> str:
    """How to convert a file to UTF-8, to go on a sentence with; "" where its encoding is not known."""
    return f", or convert it: iconv -f {encoding} -t UTF-8 {name} > utf8-{name}" if encoding else ""


def _told_utf16(data: bytes) -> str | None:
    """UTF-16 without a byte order mark. ASCII in UTF-16 is valid UTF-8, with a NUL at every second byte."""
    if len(data) < _LEAST_BYTES:
        return None
    if _decodes(data, "utf-8"):
        even, odd = data[::2].count(0), data[1::2].count(0)
        return ("UTF-16LE" if odd else "UTF-16BE") if max(even, odd) * 4 > len(data) and not min(even, odd) else None
    if sum(1 for byte in data if byte > 127 or not byte) < 0.15 * len(data):
        return None
    shares = {}
    for name in ("UTF-16LE", "UTF-16BE"):
        text = data[: len(data) // 2 * 2].decode(name, "replace")
        found = _CHINESE_OR_ASCII.findall(text)
        # Latin text, read so, looks Chinese too, but of rare characters.
        if len(found) > 0.9 * len(text) and _share_of_frequent(text) > 0.5:
            shares[name] = len(found) + sum(map(str.isascii, found))
    return max(shares, key=shares.__getitem__, default=None)


def _share_of_frequent(text: str) -> float:
    """How many of the characters beyond ASCII are frequent ones, in simplified or in traditional text."""
    other = "".join(sign for sign in text if not sign.isascii())
    found = [
        sum(1 for pair in _TWO_OR_FOUR_BYTES.findall(other.encode(encoding, "ignore")) if frequent.fullmatch(pair))
        for encoding, frequent in (("gb18030", _FREQUENT_GB), ("big5hkscs", _FREQUENT_BIG5))
    ]
    return max(found) / max(len(other), 1)


def _told_double_byte(data: bytes) -> str | None:
    high = sum(1 for byte in data if byte > 127)
    if 2 * sum(len(sign.encode()) for sign in data.decode("utf-8", "ignore") if not sign.isascii()) > high:
        return None  # UTF-8 with a fault in it
    pairs = _TWO_OR_FOUR_BYTES.findall(data)
    shares = {
        name: sum(1 for pair in pairs if frequent.fullmatch(pair)) / len(pairs)
        for name, frequent in _DOUBLE_BYTE.items()
        if len(pairs) > 1 and _decodes(data, name)
    }
    best = max(shares, key=shares.__getitem__, default=None)
    return best if best and shares[best] > _LEAST_FREQUENT else None


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return False
    return True


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
