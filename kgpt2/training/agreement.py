"""Has several processes of a run stop after the same step, as each takes part in every step of the others.

One that wants to stop tells the step that it has done, and so do then the others; all stop after the one that follows
the greatest of them, which nobody can have begun. JAX has the like, but holds Python's lock while it waits for news,
and the news comes through a relay that is Python (see `processes`).
"""

import collections
import dataclasses
import struct
import threading
from collections.abc import Callable

_STEP, _ASK, _STOP = b"s", b"a", b"e"  # to process 0: a step is done; from it: which step is, and the last one
_MESSAGE = struct.Struct("!cIq")
SIZE = _MESSAGE.size


@dataclasses.dataclass
class _Run:
    """What is known of one run: runs in the same processes follow each other, and not everywhere at once."""

    done: int = -1
    told: bool = False
    steps: list[int] = dataclasses.field(default_factory=list)
    stop: int | None = None


class Agreement:
    """What one process has with the others.

    Args:
        count: how many there are.
        leads: this one is process 0.
        send: sends to process 0, or from it to all others.
        is_lost: whether another one is gone; then there is nothing to wait for.

    Example:
        >>> alone = Agreement(1, True, send=lambda message: None, is_lost=lambda: False)
        >>> alone.begin()
        >>> [alone.reached(step, wanted=step == 2) for step in (0, 1, 2)]
        [False, False, True]
    """

    def __init__(self, count: int, leads: bool, send: Callable[[bytes], None], is_lost: Callable[[], bool]):
        self._count, self._leads, self._send, self._is_lost = count, leads, send, is_lost
        self._news = threading.Condition()
        self._runs: collections.defaultdict[int, _Run] = collections.defaultdict(_Run)
        self._number = 0

    def begin(self) -> None:
        """Here begins a run, as it does in the others."""
        self._number += 1

    def reached(self, step: int, wanted: bool) -> bool:
        """Whether to stop after a step; must be asked for every step, in order.

        Args:
            step: which is done.
            wanted: this process wants to stop.
        """
        with self._news:
            run = self._runs[self._number]
            if wanted:
                self._tell(self._number)
            if not run.told:
                run.done = step
                return False
            while run.stop is None and not self._is_lost():
                self._news.wait(0.1)
            return run.stop is not None and step >= run.stop

    def hear(self, message: bytes) -> None:
        """Takes what another process has sent, `SIZE` bytes."""
        kind, number, step = _MESSAGE.unpack(message)
        with self._news:
            run = self._runs[number]
            if kind == _STOP:
                run.stop = step
            else:
                if kind == _STEP:
                    run.steps.append(step)
                self._tell(number)
                self._decide(number)
            self._news.notify_all()

    def _tell(self, number: int) -> None:
        run = self._runs[number]
        if run.told:
            return
        run.told = True
        if self._leads:
            run.steps.append(run.done)
            self._send(_MESSAGE.pack(_ASK, number, 0))
            self._decide(number)
        else:
            self._send(_MESSAGE.pack(_STEP, number, run.done))

    def _decide(self, number: int) -> None:
        run = self._runs[number]
        if self._leads and len(run.steps) == self._count:
            run.stop = max(run.steps) + 1
            self._send(_MESSAGE.pack(_STOP, number, run.stop))
