"""What a route answers to a request: the time of one piece of work, and the memory it took."""

import time
from collections.abc import Callable
from typing import TypedDict

from kgpt2.bench.environment import device, forget_peak, peak_memory
from kgpt2.bench.turns import Answer, Request


class Timed(TypedDict):
    """A piece of work: its rate, the highest memory since the first request (None: not told), and where it ran."""

    tokens_per_second: float
    peak_memory_mb: float | None
    device: str


def timed(work: Callable[[], object], tokens: int) -> Answer:
    """Warms work up, and gives what does it once a request.

    Args:
        work: does it; where it times itself it returns the seconds.
        tokens: that it reads or writes.

    Returns:
        Takes a request, whatever it holds, and replies with `Timed`.

    Example:
        >>> timed(lambda: 0.5, tokens=100)({})["tokens_per_second"]
        200.0
    """
    work()
    forget_peak()

    def answer(request: Request) -> Timed:
        began = time.perf_counter()
        done = work()
        seconds = done if isinstance(done, float) else time.perf_counter() - began
        return {"tokens_per_second": tokens / seconds, "peak_memory_mb": peak_memory(), "device": device()}

    return answer
