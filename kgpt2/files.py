"""Files read strictly: plain ones alone, of bearable size, in UTF-8."""

import io
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from kgpt2.encodings import or_convert, told_encoding
from kgpt2.errors import RequestError, escaped

# Far more than any description of a model, so that a file that pretends to be one cannot fill the memory.
MAX_TEXT_BYTES = 64 << 20
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
    if not text:
        raise RequestError("an empty name: no file or folder is called so (is a variable of the shell unset?)")
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


def is_file(path: Path) -> bool:
    """Whether a file is there; one whose name the system does not take is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a folder is there, as `is_file`."""
    try:
        return path.is_dir()
    except OSError:
        return False


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


def open_regular(path: Path, what: str = "file") -> io.BufferedReader:
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
    r"""Whether a string can be written as UTF-8: JSON's \ud83d alone is half a character.

    Example:
        >>> is_text("春"), is_text("\ud83d")
        (True, False)
    """
    return value.isascii() or not _SURROGATE.search(value)


def json_fault(error: ValueError | RecursionError) -> str:
    """What is wrong with a text that `json.loads` did not take."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    return "nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"


def read_object(path: Path, what: str = "file") -> dict[str, Any]:
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
