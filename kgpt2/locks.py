"""Locks that the system releases when the process that holds them ends, however it ends."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def take(handle: int) -> bool | None:
        """Locks the file behind a handle until it is closed.

        Returns:
            Whether it could be locked; None where the file system knows no such locks.
        """
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        except OSError:
            return None
        return True

else:
    import fcntl

    def take(handle: int) -> bool | None:
        """Locks the file or folder behind a handle until it is closed.

        Returns:
            Whether it could be locked; None where the file system knows no such locks.
        """
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return None
        return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Holds a lock file, which goes with the block; yields False, and holds nothing, where another process has it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        mine = take(handle)
        if mine is None or (mine and still_there(handle, path)):
            break
        os.close(handle)
        if not mine:
            yield False
            return
        # Its last holder has removed it between opening and locking: what was locked has no name any more.
    try:
        yield True
    finally:
        with contextlib.suppress(OSError):  # Windows keeps what is open; the next process takes it over
            os.unlink(path)  # while it is held: nobody can lock what is about to go
        os.close(handle)


def handle_of(path: Path) -> int | None:
    """A handle to lock a file or folder by; None on Windows, which neither opens folders nor moves what is open.

    Raises:
        OSError: it cannot be opened.
    """
    if sys.platform == "win32":
        return None
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)


def still_there(handle: int, path: Path) -> bool:
    """Whether a path still names what a handle is open on."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
