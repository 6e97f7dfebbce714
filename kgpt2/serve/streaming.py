"""Answers that wait for the scheduler, and go no further once nobody reads them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kgpt2.generation.rows import Row
from kgpt2.serve.refusals import Refusal
from kgpt2.serve.scheduler import Job
from kgpt2.serve.work import Answers, Json, Work

_Result = TypeVar("_Result")


class Left(Exception):
    """The client has gone."""


async def while_read(work: Coroutine[Any, Any, _Result], receive: Receive, seconds: float) -> _Result:
    """The result of work, as long as its client is there.

    Args:
        work: to do.
        receive: of the request, its body read.
        seconds: that it may take.

    Raises:
        Left: the client has gone.
        Refusal: the time is over.
    """
    doing, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({doing, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        if leaving.done():
            raise Left
        raise Refusal(504, f"the answer took longer than {seconds:g} s; ask for less", code="timeout")
    finally:
        for task in (doing, leaving):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(doing, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def finished(job: Job) -> None:
    """Waits until a job is done.

    Raises:
        Exception: what went wrong.
    """
    async for _ in _news(job):
        pass


async def _news(job: Job) -> AsyncIterator[None]:
    """Yields whenever lines of a job have new tokens, for the last time when it is done."""
    while True:
        await job.news.wait()
        job.news.clear()
        is_done = job.is_done
        if job.failure is not None:
            raise job.failure
        yield
        if is_done:
            return


class EventStream(Response):
    """A streamed answer: server-sent events, the last of them `[DONE]`.

    Args:
        work: the request.
        job: its lines, submitted.
        answers: makes the objects.
        seconds: that it may take.
    """

    media_type = "text/event-stream"

    def __init__(self, work: Work, job: Job, answers: Answers, seconds: float):
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["Content-Length"]
        leads = [prompt.text if work.asked.echo else "" for prompt in work.prompts]
        each = work.settings.num_return
        self._readers = [_Reader(line.row, leads[number // each]) for number, line in enumerate(work.lines)]
        self._work, self._job, self._answers, self._seconds = work, job, answers, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        languages = Headers(scope=scope).get("accept-language", "")
        try:
            await while_read(self._send(send, languages), receive, self._seconds)
        except Left:
            pass
        except Refusal as refusal:  # the head of the answer has been sent: its reader may still see this
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(send_event(send, refusal.body(languages)), 1)
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._job.cancel()

    async def _send(self, send: Send, languages: str) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for _ in _news(self._job):
                if pieces := b"".join(map(_event, self._pieces())):
                    await send({"type": "http.response.body", "body": pieces, "more_body": True})
        except Exception:
            failure = Refusal(500, "the computation failed; the server's log says why")
            await send_event(send, failure.body(languages))
        else:
            options = self._work.asked.stream_options
            if options and options.include_usage:
                await send_event(send, self._answers.usage())
            await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _pieces(self) -> list[Json]:
        """What is new of each line."""
        return [piece for number, reader in enumerate(self._readers) for piece in reader.new(self._answers, number)]


class _Reader:
    """How far a row has been sent.

    Args:
        row: what grows, in another thread: tokens are added to it, and nothing is taken away.
        lead: what comes before its completion.
    """

    def __init__(self, row: Row, lead: str):
        self._row, self._lead = row, lead
        self._shown = self._told = self._seen = 0
        self._over = False

    def new(self, answers: Answers, number: int) -> list[Json]:
        """The piece that has come since the last call; none where there is nothing to tell."""
        reason = self._row.finish_reason  # before the text is read: what has ended does not grow
        seen = len(self._row.new)
        if self._over or (reason is None and seen == self._seen):
            return []
        text = self._row.settled() if reason is None else self._row.result().completion
        piece = self._lead + text[self._shown :]
        self._lead, self._seen, self._over = "", seen, reason is not None
        self._shown = max(self._shown, len(text))
        if not piece and reason is None:
            return []
        found, self._told = answers.piece(number, piece, self._told, reason)
        return [found]


def _event(value: Json) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


async def send_event(send: Send, value: Json) -> None:
    """Sends one object of a stream."""
    await send({"type": "http.response.body", "body": _event(value), "more_body": True})
