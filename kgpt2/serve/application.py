"""The routes: completions as OpenAI has them, verse and lens for the page, and the page."""

import contextlib
import functools
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Annotated, Any

import anyio
import pydantic
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from kgpt2 import __version__
from kgpt2.errors import Kgpt2Error, RequestError, escaped
from kgpt2.generation.language_model import LanguageModel
from kgpt2.serve import lens, refusals, verses
from kgpt2.serve.asking import Asked
from kgpt2.serve.ending import Ending
from kgpt2.serve.guard import Guard
from kgpt2.serve.limits import Limits
from kgpt2.serve.meters import Meters
from kgpt2.serve.refusals import Refusal
from kgpt2.serve.scheduler import Busy, Job, Scheduler
from kgpt2.serve.streaming import EventStream, Left, finished, while_read
from kgpt2.serve.work import Answers, Decoders, Work, prepare
from kgpt2.verse.meter import Tones
from kgpt2.verse.sounds import System

STATIC = Path(__file__).parent / "static"
_PATHS = (
    *("/", "/health", "/metrics", "/v1/models", "/v1/completions"),
    *("/lens/trace", "/verse/form", "/verse/check", "/verse/tunes"),
)
# A traced text is not batched: so many tokens of it, and so many traces at a time.
_TRACED, _TRACES = 256, 2
_LONGEST_VERSE = 4000

_ERROR = {"description": "OpenAI's error object.", "content": {"application/json": {"schema": {"type": "object"}}}}
_ERRORS: dict[int | str, dict[str, Any]] = dict.fromkeys((400, 401, 403, 404, 408, 413, 422, 500, 503, 504), _ERROR)


class Traced(pydantic.BaseModel):
    """A request to the lens: settings as in completions, and tokens that come first."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    asked: Asked
    ids: Annotated[list[int], pydantic.Field(max_length=_TRACED)] = []


class Poem(pydantic.BaseModel):
    """A text to check."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    text: Annotated[str, pydantic.Field(max_length=_LONGEST_VERSE)]
    system: System | None = None
    form: Annotated[str, pydantic.Field(max_length=_LONGEST_VERSE)] = ""
    tones: bool = True
    rhymes: bool = True


class Server:
    """A model, and all that its requests share.

    Args:
        lm: the model.
        name: as requests call it.
        limits: of the server.
        ending: of the server.
    """

    def __init__(self, lm: LanguageModel, name: str, limits: Limits, ending: Ending):
        self.lm, self.name, self.limits, self.ending = lm, name, limits, ending
        self.meters = Meters()
        self.scheduler = Scheduler(lm.runtime, limits.rows, limits.waiting, self.meters)
        self.decoders = Decoders(lm)
        self._tracers = anyio.CapacityLimiter(_TRACES)

    def submit(self, work: Work) -> Job:
        """Queues a request.

        Raises:
            Refusal: there is no room for it.
        """
        job = work.job()
        try:
            self.scheduler.submit(job)
        except Busy:
            raise (refusals.stopping() if self.ending.is_stopping else refusals.busy()) from None
        return job

    async def complete(self, asked: Asked, request: Request) -> Response:
        """The answer to a request for completions."""
        self._require_model(asked.model)
        work = await run_in_threadpool(prepare, self.lm, asked, self.decoders, self.limits)
        chinese = refusals.reads_chinese(request.headers.get("accept-language", ""))
        job, answers = self.submit(work), Answers(work, self.lm, self.name, chinese)
        if asked.stream:
            return EventStream(work, job, answers, self.limits.seconds)
        try:
            await while_read(finished(job), request.receive, self.limits.seconds)
        finally:
            job.cancel()
        return JSONResponse(answers.whole())

    async def trace(self, traced: Traced) -> dict[str, Any]:
        """What the lens shows of a text."""
        self._require_model(traced.asked.model)
        return await anyio.to_thread.run_sync(functools.partial(self._traced, traced), limiter=self._tracers)

    def _traced(self, traced: Traced) -> dict[str, Any]:
        asked = traced.asked
        if len(asked.prompt) != 1 or asked.stream or asked.echo:
            raise RequestError("asked: the lens looks at one text; leave stream and echo out")
        work = prepare(self.lm, asked, self.decoders, self.limits)
        if len(work.lines) != 1 or work.settings.best_of > 1 or (work.settings.max_new_tokens or 0) > _TRACED:
            raise RequestError(f"asked: the lens looks at one text of up to {_TRACED} tokens; leave n and best_of out")
        (line,) = work.lines
        places = lens.trace(
            line.decoder, line.row.prompt, work.settings, work.seed, traced.ids, lambda: self.ending.is_over
        )
        return {"prompt": line.row.prompt.text, "seed": work.seed, "places": places}

    def _require_model(self, model: str | None) -> None:
        if model not in (None, self.name):
            shown = escaped(model or "")
            raise Refusal(404, f"model: {shown} is not served here, {self.name} is", "model", "model_not_found")


def build(
    lm: LanguageModel,
    name: str | None,
    api_key: str | None,
    hosts: Collection[str] | None,
    limits: Limits | None,
    ending: Ending | None,
) -> ASGIApp:
    """The application; arguments as those of `kgpt2.serve.app`."""
    server = Server(lm, name or lm.checkpoint.folder.name, limits or Limits(), ending or Ending())

    @contextlib.asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        yield
        server.ending.begin(0)
        await run_in_threadpool(server.scheduler.stop)

    application = FastAPI(
        title="kgpt2", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan, responses=_ERRORS
    )
    application.state.server = server
    _add_answers(application, server)
    _add_tools(application, server)
    _add_page(application)
    _add_errors(application)
    application.add_middleware(
        Guard,
        limits=server.limits,
        ending=server.ending,
        meters=server.meters,
        api_key=api_key,
        hosts=hosts,
        paths=_PATHS,
    )
    return application


def _add_answers(application: FastAPI, server: Server) -> None:
    @application.post("/v1/completions")
    async def completions(asked: Asked, request: Request) -> Response:
        """Continues texts: OpenAI's completions, and our own settings under their names."""
        return await server.complete(asked, request)

    @application.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The model that is served."""
        context = server.lm.runtime.context
        one = {"id": server.name, "object": "model", "created": 0, "owned_by": "kgpt2", "max_model_len": context}
        return {"object": "list", "data": [one]}

    @application.get("/health")
    async def health() -> Response:
        """Whether requests are taken."""
        stopping = server.ending.is_stopping
        return JSONResponse({"status": "stopping" if stopping else "ok"}, 503 if stopping else 200)

    @application.get("/metrics")
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(server.meters.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_tools(application: FastAPI, server: Server) -> None:
    @application.post("/lens/trace")
    async def trace(traced: Traced) -> Response:
        """Continues a text, and says of each place what the model thought and what the sampler left of it."""
        return JSONResponse(await server.trace(traced))

    @application.get("/verse/form")
    async def form(form: str, tones: Tones = "off", rhyme: bool = False) -> Response:
        """The places of a form, with the tones and rhymes that it asks for."""
        if len(form) > _LONGEST_VERSE:
            raise RequestError(f"form: a pattern has up to {_LONGEST_VERSE:,} signs")
        return JSONResponse({"signs": await run_in_threadpool(verses.picture, form, tones, rhyme)})

    @application.post("/verse/check")
    async def check(poem: Poem) -> Response:
        """The tones of a poem's characters, and how well it keeps the rules."""
        return JSONResponse(await run_in_threadpool(functools.partial(verses.check, **poem.model_dump())))

    @application.get("/verse/tunes")
    async def tunes() -> Response:
        """The tunes that the model's context has room for."""
        room = server.lm.runtime.context - len(server.lm.tokenizer.start_ids) - 1  # one: the mark of the genre
        return JSONResponse({"tunes": await run_in_threadpool(verses.tunes_within, room)})


def _add_page(application: FastAPI) -> None:
    @application.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    application.mount("/static", StaticFiles(directory=STATIC), name="static")


def _add_errors(application: FastAPI) -> None:
    @application.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> Response:
        return error.response(request.headers)

    @application.exception_handler(Left)
    async def left(request: Request, error: Left) -> Response:
        return Response(status_code=499)  # nobody reads it

    @application.exception_handler(Kgpt2Error)
    async def ours(request: Request, error: Kgpt2Error) -> Response:
        if isinstance(error, RequestError):
            return refusals.of_error(str(error)).response(request.headers)
        return Refusal(500, str(error)).response(request.headers)

    @application.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return refusals.of_validation(list(error.errors())).response(request.headers)

    @application.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        said = {404: f"there is nothing at {escaped(request.url.path)}", 405: "this method is not for this address"}
        message = said.get(error.status_code, str(error.detail))
        return Refusal(error.status_code, message, headers=dict(error.headers or {})).response(request.headers)

    @application.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return Refusal(500, "this is unexpected; the server's log says what happened").response(request.headers)
