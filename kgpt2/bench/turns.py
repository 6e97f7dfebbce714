"""Routes that take turns: each in a process of its own that loads, warms up, and answers when it is asked.

So rounds are interleaved, a slow minute of the machine hits every route, and ratios are taken within a round.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import IO, Any, TypedDict

from kgpt2.errors import Kgpt2Error, RequestError, WorkError

THREADS = os.cpu_count() or 1
# Of what a route that failed has said.
_LAST_LINES = 3

# Both are JSON objects; what is in them each route says.
Request = dict[str, Any]
Reply = Mapping[str, Any]
Answer = Callable[[Request], Reply]


class Spread(TypedDict):
    """Of the rounds' figures the least, the median and the greatest."""

    min: float
    median: float
    max: float


def serve(prepare: Callable[[], Answer]) -> None:
    """The life of a route: requests come in on stdin and replies go out on stdout, a line of JSON each.

    What libraries print goes to stderr.

    Args:
        prepare: loads, and gives what answers a request. The seconds it takes are the first reply, as "startup".
    """
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def reply(value: Reply) -> None:
        print(json.dumps(value), file=out, flush=True)

    try:
        began = time.perf_counter()
        answer = prepare()
        reply({"startup": time.perf_counter() - began})
        for line in sys.stdin:
            reply(answer(json.loads(line)))
    except Kgpt2Error as error:
        reply({"error": str(error), "status": error.exit_status})


class Route:
    """A route's process, ready.

    Args:
        name: for messages.
        command: starts it; it has to call `serve`.
        environment: what it adds to this process' own.

    Attributes:
        startup: the seconds until it was ready, the start of Python included.

    Raises:
        RequestError: it refused the request.
        WorkError: it failed.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]):
        self.name = name
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed by close)
        began = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
            env={**os.environ, "OMP_NUM_THREADS": str(THREADS), **environment},
        )
        self._requests, self._replies = _piped(self._process.stdin), _piped(self._process.stdout)
        self._reply()
        self.startup = time.perf_counter() - began

    def ask(self, **request: object) -> Any:
        """Sends a request and waits for the reply, an object of JSON; errors as those of the class."""
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        return self._reply()

    def _reply(self) -> Any:
        reply = json.loads(self._replies.readline() or "{}")
        if "error" in reply:
            kind = RequestError if reply["status"] == RequestError.exit_status else WorkError
            raise kind(reply["error"])
        if not reply:
            status = self._process.wait()
            self._said.seek(0)
            last = [line.rstrip() for line in self._said if line.strip()][-_LAST_LINES:]
            raise WorkError("\n".join([f"{self.name}: its process ended {_by(status)}", *last]))
        return reply

    def close(self) -> None:
        """Ends the process."""
        self._requests.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def __enter__(self) -> "Route":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self.close()


def _piped(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise ValueError("the process was started without this pipe")
    return stream


def spread(values: Sequence[float]) -> Spread:
    """The least, the median and the greatest.

    Example:
        >>> spread([3.0, 1.0, 2.5])
        {'min': 1.0, 'median': 2.5, 'max': 3.0}
    """
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def paired_ratio(values: Sequence[float], others: Sequence[float]) -> float:
    """The median of the ratios of one route to another, round by round.

    Example:
        >>> paired_ratio([2.0, 30.0, 8.0], [1.0, 10.0, 2.0])
        3.0
    """
    return statistics.median(one / other for one, other in zip(values, others, strict=True))


def _by(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"with status {status}"
    name = signal.Signals(-status).name
    out_of_memory = ": memory may have run out" if name == "SIGKILL" else ""
    return f"by {name}{out_of_memory}"
