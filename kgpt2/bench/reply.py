"""What a route answers to a request: the time of one piece of work, and the memory it took."""

import time
from collections.abc import Callable
from typing import Any

from kgpt2.bench.environment import device, forget_peak, peak_memory


def timed(work: Callable[[], float | object], tokens: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Warms work up, and gives what does it once a request.

    Args:
        work: does it; where it times itself it returns the seconds.
        tokens: that it reads or writes.

    Returns:
        Takes a request, whatever it holds, and replies with "tokens_per_second", "peak_memory_mb" (the highest since
        the first request) and "device".
    """
    work()
    forget_peak()

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        done = work()
        seconds = done if isinstance(done, float) else time.perf_counter() - began
        return {"tokens_per_second": tokens / seconds, "peak_memory_mb": peak_memory(), "device": device()}

    return answer
