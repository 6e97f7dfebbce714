"""How a server comes to its end: it takes nothing new, lets what runs finish, and breaks off what takes too long."""

import asyncio
import time
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

import uvicorn

_Result = TypeVar("_Result")
# Seconds in which answers reach readers that are slow, once nothing runs any more.
_SENDING = 5


class BrokenOff(Exception):
    """Work was still running when the time was over."""


class Ending:
    """Whether a server is stopping, and what still runs.

    Attributes:
        is_stopping: new work is to be refused.
        is_over: what still runs is to be broken off.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self.is_over = False
        self._until = 0.0
        self._running: set[asyncio.Future[None]] = set()

    def begin(self, grace: float) -> None:
        """Takes no new work; what runs has `grace` seconds. A later call may shorten them. Safe in a signal handler."""
        until = time.monotonic() + grace
        self._until = min(self._until, until) if self.is_stopping else until
        self.is_stopping = True

    def has_come(self) -> bool:
        """Whether nothing runs any more, or the time is over: then the rest is broken off."""
        if not self.is_stopping or (self._running and time.monotonic() < self._until):
            return False
        self.is_over = True
        for one in self._running:
            if not one.done():
                one.set_result(None)
        return True

    async def during(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """The result of work.

        Raises:
            BrokenOff: the server could not wait for it.
        """
        broken = asyncio.get_running_loop().create_future()
        doing = asyncio.ensure_future(work)
        self._running.add(broken)
        try:
            await asyncio.wait({doing, broken}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise BrokenOff
            return doing.result()
        finally:
            self._running.discard(broken)
            if doing.cancel():
                await asyncio.wait({doing}, timeout=1)  # so that it says nothing more


class EndingServer(uvicorn.Server):
    """A uvicorn that answers on while it stops: uvicorn itself closes its socket at the first signal.

    Args:
        config: of uvicorn.
        ending: of the application.
        grace: seconds that running requests have to finish after the first signal; after a second one they have none.
    """

    def __init__(self, config: uvicorn.Config, ending: Ending, grace: float):
        config.timeout_graceful_shutdown = _SENDING
        super().__init__(config)
        self._ending, self._grace = ending, grace

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to stop. The signal is not kept to be raised again: who stops when told to has not failed."""
        self._ending.begin(0 if self._ending.is_stopping else self._grace)

    async def on_tick(self, counter: int) -> bool:
        """Whether to close the socket; asked ten times a second."""
        return await super().on_tick(counter) or self._ending.has_come()
