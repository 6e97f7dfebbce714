"""The thread that computes: it takes lines from a queue, puts them into batches, and lets each batch take its turn."""

import asyncio
import collections
import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Iterator, Sequence

from kgpt2.generation.runtime import Runtime
from kgpt2.serve.growth import SHORT, Batch, Line
from kgpt2.serve.memory import trim_heap
from kgpt2.serve.meters import Meters

# Tokens, padding included, that are read at once before the others have their turn again.
_READ = 4096
# Seconds between two pieces of a stream: more of them than anybody can see would slow the others down.
_PAUSE = 0.08
_LOG = logging.getLogger(__name__)


class Busy(Exception):
    """The queue is full, or the server is stopping."""


@dataclasses.dataclass(eq=False)
class Job:
    """The lines of one request, and how its reader is told of news.

    Attributes:
        lines: what was asked for.
        loop: of the reader.
        began: when it was submitted, by `time.perf_counter`.
        news: set when lines have new tokens, every `_PAUSE` at most, and whenever one has ended.
        failure: what went wrong.
        told: when its reader was told the last time; 0: it has had no token yet.
    """

    lines: Sequence[Line]
    loop: asyncio.AbstractEventLoop
    began: float = dataclasses.field(default_factory=time.perf_counter)
    news: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    failure: Exception | None = None
    told: float = 0.0

    @property
    def is_done(self) -> bool:
        """Whether nothing more comes."""
        return self.failure is not None or all(line.ended for line in self.lines)

    def cancel(self) -> None:
        """Nobody waits for it any more: its lines leave before the next step."""
        for line in self.lines:
            line.cancelled = True


class Scheduler:
    """Grows the lines of all requests.

    Args:
        runtime: computes the logits.
        rows: lines that grow at a time.
        waiting: lines that may wait for a place.
        meters: what is counted.
    """

    def __init__(self, runtime: Runtime, rows: int, waiting: int, meters: Meters):
        self._runtime, self._rows, self._most_waiting, self._meters = runtime, rows, waiting, meters
        self._changed = threading.Condition()
        self._waiting: collections.deque[Line] = collections.deque()
        self._jobs: dict[Line, Job] = {}
        self._batches: list[Batch] = []
        self._thread: threading.Thread | None = None
        self._stopping = False
        meters.watch(lambda: len(self._waiting), lambda: sum(len(batch.lines) for batch in self._batches))

    def submit(self, job: Job) -> None:
        """Queues the lines of a job; the thread starts with the first.

        Raises:
            Busy: there is no room, or the server is stopping.
        """
        with self._changed:
            if self._stopping or len(self._waiting) + len(job.lines) > self._most_waiting:
                raise Busy
            self._waiting.extend(job.lines)
            self._jobs |= dict.fromkeys(job.lines, job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="kgpt2-serve", daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop(self) -> None:
        """Takes no new jobs, cancels the others, and waits for the thread."""
        with self._changed:
            self._stopping = True
            for job in list(self._jobs.values()):
                job.cancel()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._batches):
                    if self._stopping:
                        return
                    self._changed.wait()
                entering = self._entering()
            if entering:
                self._place(entering)
            for batch in self._batches:
                self._step(batch)
            going_on = [batch for batch in self._batches if batch.lines]
            if len(going_on) < len(self._batches):
                self._batches = going_on  # the caches of the others are free from here on
                trim_heap()

    def _entering(self) -> list[Line]:
        """The lines that there is room for, the first to come first."""
        room = self._rows - sum(len(batch.lines) for batch in self._batches)
        entering: list[Line] = []
        longest = 0
        while self._waiting and len(entering) < room:
            line = self._waiting[0]
            longest = max(longest, len(line))
            if entering and longest * (len(entering) + 1) > _READ:
                break
            self._waiting.popleft()
            if line.ended:
                self._tell([line])
            else:
                entering.append(line)
        return entering

    def _place(self, lines: list[Line]) -> None:
        """Into the last batch, where it is open and their texts are short; else into one of their own."""
        last = self._batches[-1] if self._batches else None
        if last is not None and last.is_open and all(len(line) <= SHORT for line in lines):
            for line in lines:
                last.join(line)
            return
        with self._failing(lines), self._meters.step():
            batch = Batch(self._runtime, lines, self._rows)
            self._batches.append(batch)
            self._settle(batch, lines)

    def _step(self, batch: Batch) -> None:
        lines = list(batch.lines)
        with self._failing(lines), self._meters.step():
            self._settle(batch, lines)  # whom nobody waits for is not computed
            if batch.lines:
                lines = list(batch.lines)
                batch.step()
                self._settle(batch, lines)

    def _settle(self, batch: Batch, lines: list[Line]) -> None:
        """Lets lines leave, and tells all readers."""
        outgrown = batch.leave()
        if outgrown:
            with self._changed:
                self._waiting.extendleft(reversed(outgrown))
        self._tell(lines)

    def _tell(self, lines: Sequence[Line]) -> None:
        """Wakes the readers of lines, each event loop once."""
        told: dict[asyncio.AbstractEventLoop, dict[int, Job]] = {}
        now = time.perf_counter()
        for line in lines:
            job = self._jobs.pop(line, None) if line.ended else self._jobs.get(line)
            if job is None:
                continue
            if line.ended:
                self._meters.tokens(len(line.row.prompt.ids), len(line.row.new))
            if not job.told and line.row.new:
                self._meters.first_token(now - job.began)
            if line.ended or (line.row.new and now - job.told > _PAUSE):
                job.told = now
                told.setdefault(job.loop, {})[id(job)] = job
        for loop, jobs in told.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
                loop.call_soon_threadsafe(_wake, list(jobs.values()))

    @contextlib.contextmanager
    def _failing(self, lines: Sequence[Line]) -> Iterator[None]:
        """What fails inside fails the jobs of these lines, and no others."""
        try:
            yield
        except Exception as error:
            _LOG.exception("a batch failed")
            for line in lines:
                line.cancelled = True
                if line in self._jobs:
                    self._jobs[line].failure = error
            self._tell(lines)


def _wake(jobs: list[Job]) -> None:
    for job in jobs:
        job.news.set()
