"""What the server counts, for Prometheus."""

import contextlib
import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Meters:
    """Counters of one application, apart from those of others in the process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("kgpt2_requests", "Answered requests.", ["path", "status"], registry=self._registry)
        self._tokens = Counter("kgpt2_tokens", "Tokens of answered requests.", ["kind"], registry=self._registry)
        self._waiting = Gauge("kgpt2_rows_waiting", "Texts that wait for a place.", registry=self._registry)
        self._running = Gauge("kgpt2_rows_running", "Texts that grow.", registry=self._registry)
        self._first = Histogram(
            "kgpt2_first_token_seconds", "From a request to its first token.", buckets=_SECONDS, registry=self._registry
        )
        self._step = Histogram("kgpt2_step_seconds", "A step of a batch.", buckets=_SECONDS, registry=self._registry)

    def watch(self, waiting: Callable[[], float], running: Callable[[], float]) -> None:
        """Says where the sizes of the queue and of the batches are to be read."""
        self._waiting.set_function(waiting)
        self._running.set_function(running)

    def request(self, path: str, status: int) -> None:
        """Counts an answer."""
        self._requests.labels(path, str(status)).inc()

    def tokens(self, prompt: int, completion: int) -> None:
        """Counts the tokens of an answer."""
        self._tokens.labels("prompt").inc(prompt)
        self._tokens.labels("completion").inc(completion)

    def first_token(self, seconds: float) -> None:
        """Notes how long a first token took."""
        self._first.observe(seconds)

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """Notes how long the block takes."""
        began = time.perf_counter()
        yield
        self._step.observe(time.perf_counter() - began)

    def page(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)
