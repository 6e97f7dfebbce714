"""What kgpt2 keeps and can make again: where it lies, whose it is, and whether it is still what was written.

A sealed file ends in a digest of its content, and in its size, time of change and inode. While these three are what
they were, the content is taken for what it was; where one differs, it is read through. So a copied or restored cache
still serves, a damaged one is found, and a start pays for reading 64 bytes.
"""

import contextlib
import errno
import hashlib
import os
import platform
import stat
import struct
import time
import warnings
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import platformdirs

from kgpt2.errors import Note

_MARK = b"kgpt2 1\n"
_SEAL = struct.Struct("<8s32s3Q")  # mark, digest, size, time of change in ns, inode
_CHUNK = 1 << 20


class Damaged(ValueError):
    """A sealed file is not what was written."""


class SealedFile:
    """Writes a sealed file, and reads it back once.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be written, or what was written cannot be read back.
    """

    def __init__(self, path: Path):
        self._path, self._digest = path, _digest()
        self._file: BinaryIO = path.open("wb")

    def __enter__(self) -> "SealedFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._file.write(_SEAL.pack(_MARK, self._digest.digest(), 0, 0, 0))
                self._file.flush()
                os.fsync(self._file.fileno())
        if kind is None:
            try:
                sealed_size(self._path)
            except Damaged:
                raise OSError(f"{self._path}: what was written reads otherwise") from None

    def write(self, data: bytes | memoryview) -> None:
        """Adds to the content."""
        self._file.write(data)
        self._digest.update(data)


def sealed_size(path: Path) -> int:
    """The bytes of content in a sealed file; they come first in it.

    Raises:
        Damaged: the content is not what was written.
        OSError: the file cannot be read.
    """
    if not path.is_file() and path.exists():
        raise Damaged(str(path))
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        size = state.st_size - _SEAL.size
        if size < 0:
            raise Damaged(str(path))
        file.seek(size)
        mark, digest, *known = _SEAL.unpack(file.read(_SEAL.size))
        if mark != _MARK:
            raise Damaged(str(path))
        now = [state.st_size, state.st_mtime_ns, state.st_ino]
        if known == now:
            return size
        file.seek(0)
        if _digest_of(file, size) != digest:
            raise Damaged(str(path))
    with contextlib.suppress(OSError), path.open("r+b") as file:  # what cannot be recorded is read through again
        if os.path.samestat(os.fstat(file.fileno()), state):
            file.seek(size)
            file.write(_SEAL.pack(mark, digest, *now))
            file.flush()
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    return size


def mark_used(path: Path) -> None:
    """Records that a file was of use just now, for `trim`; its time of change stays, which a seal knows."""
    with contextlib.suppress(OSError):
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def cache_home() -> Path:
    """Where the cache lies: `KGPT2_CACHE`, or `kgpt2` where the system keeps caches (`~/.cache` on Linux).

    Raises:
        OSError: there is no home directory.
    """
    if named := os.environ.get("KGPT2_CACHE"):
        return Path(named)
    try:
        place = platformdirs.user_cache_path("kgpt2", appauthor=False)
    except RuntimeError:
        place = Path()
    if not place.is_absolute():  # an older platformdirs leaves "~" as it is
        raise OSError(errno.ENOENT, "there is no home directory", "~/.cache/kgpt2")
    return place


def cache_folder(name: str) -> Path:
    """A folder of the cache, made where it is missing: the user's own, and nobody else's to look into.

    Raises:
        OSError: it cannot be made, belongs to somebody else, or lets others write.
    """
    home = cache_home()
    if home.is_file():
        raise NotADirectoryError(errno.ENOTDIR, "is a file, not a folder", str(home))
    home.mkdir(0o700, parents=True, exist_ok=True)
    if not os.environ.get("KGPT2_CACHE"):  # a folder that the user has chosen may hold other things
        _make_private(home)
    folder = home / name
    folder.mkdir(0o700, exist_ok=True)
    _make_private(folder)
    return folder


def _make_private(folder: Path) -> None:
    state = folder.stat()
    if hasattr(os, "geteuid") and state.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "belongs to another user", str(folder))
    if state.st_mode & 0o077 and os.name != "nt":
        with contextlib.suppress(OSError):
            folder.chmod(stat.S_IMODE(state.st_mode) & 0o700)
        if folder.stat().st_mode & 0o022:
            raise PermissionError(errno.EPERM, "lets other users write", str(folder))


def unkept(what: str, error: OSError) -> str:
    """Says that something is not kept, why, and how it could be.

    Args:
        what: subject and verb, as in "the compiled model is".
        error: what has kept it from being written.
    """
    where, reason = error.filename or cache_home(), error.strerror or error
    return f"{where}: {reason}, so {what} not kept for the next time\nKGPT2_CACHE=FOLDER chooses another cache"


def tell_unkept(what: str, error: OSError) -> None:
    """Warns with what `unkept` says."""
    warnings.warn(Note(unkept(what, error)), stacklevel=2)


def tell_damaged(path: Path, what: str) -> None:
    """Tells the user that something in the cache is not what was written; `what` as in `tell_unkept`."""
    warnings.warn(Note(f"{path}: damaged, so {what} made anew"), stacklevel=2)


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


def drop_damaged_programs(folder: Path) -> None:
    """Removes those of JAX's programs that it cannot read: it would compile them each time, and not replace them.

    Only what has changed since the last look is read. What a killed process has half written is found like the rest.
    """
    seen = folder / "seen"
    since = seen.stat().st_mtime if seen.exists() else 0.0
    with contextlib.suppress(OSError):
        seen.touch()
    for path in folder.glob("*-cache"):
        with contextlib.suppress(OSError):
            if path.stat().st_ctime >= since and not _decompresses(path.read_bytes()):
                path.unlink()
                tell_damaged(path, "the program is")


def processor() -> str:
    """A name for the instructions that this machine's processor knows: programs for a CPU may use all of them."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()}-{zlib.crc32(flags.encode()):08x}"


def _decompresses(data: bytes) -> bool:
    """Whether JAX can unpack an entry of its cache; of zstd, which it takes where it finds it, the beginning tells."""
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return True
    try:
        zlib.decompress(data)
    except zlib.error:
        return False
    return True


def _digest() -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=32)


def _digest_of(file: BinaryIO, size: int) -> bytes:
    digest = _digest()
    while size > 0 and (chunk := file.read(min(size, _CHUNK))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.digest()
