"""Ctrl-C and a polite kill (SIGTERM): noted, so that neither is lost nor taken for another error.

Python raises KeyboardInterrupt wherever it happens to be. Where that is code which TensorFlow, JAX or OpenVINO call
back from C++, it comes out as an error of theirs, or not at all.
"""

import contextlib
import signal
import threading
import types
from collections.abc import Callable, Iterator

from kgpt2.errors import Interrupted, Kgpt2Error

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# A process has one set of signals: how many have come, and what the first is told to while it is held back.
_STATE = types.SimpleNamespace(came=0, hold=None, listening=False)


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Inside, both signals are noted, and raise KeyboardInterrupt; they still raise it afterwards, to the very end."""
    for number in _SIGNALS:
        signal.signal(number, _note)
    _STATE.came, _STATE.hold, _STATE.listening = 0, None, True
    try:
        yield
    finally:
        _STATE.came, _STATE.listening = 0, False


def came() -> bool:
    """Whether an interrupt has been noted."""
    return bool(_STATE.came)


@contextlib.contextmanager
def held_back(tell: Callable[[], None]) -> Iterator[None]:
    """Inside, the first interrupt raises nothing: the work looks at `came` where it can stop. A second one raises.

    Args:
        tell: called at the first.

    Raises:
        KeyboardInterrupt: there was one before that has been lost.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    if not _STATE.listening:
        _STATE.came = 0
    elif came():
        raise KeyboardInterrupt
    before = {number: signal.signal(number, _note) for number in _SIGNALS}
    _STATE.hold = tell
    try:
        yield
    finally:
        _STATE.hold = None
        if not _STATE.listening:
            _STATE.came = 0
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def recognised() -> Iterator[None]:
    """An interrupt that comes out of the block as another error is KeyboardInterrupt again."""
    try:
        yield
    except Exception as error:
        # An error of our own is one unless it explains another, which may be the interrupt.
        ours = isinstance(error, Interrupted) or (isinstance(error, Kgpt2Error) and error.__context__ is None)
        if ours or not came():
            raise
        raise KeyboardInterrupt from error


def _note(number: int, frame: object) -> None:
    _STATE.came += 1
    if _STATE.hold is None or _STATE.came > 1:
        raise KeyboardInterrupt
    # The signal may have come in the middle of writing to the same stream.
    with contextlib.suppress(RuntimeError):
        _STATE.hold()
