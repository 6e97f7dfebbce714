"""What is looked at before a request is answered: where it comes from, whose it is, how much it brings, and whether the
server still takes it.

A page of another site can make a browser send requests to a server on the same machine. So on a loopback address the
Host header must name one (another name that leads here is DNS rebinding), and an Origin must be this server's own.
"""

import asyncio
import contextlib
import hmac
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kgpt2.serve import refusals
from kgpt2.serve.ending import BrokenOff, Ending
from kgpt2.serve.limits import Limits
from kgpt2.serve.meters import Meters
from kgpt2.serve.refusals import Refusal
from kgpt2.serve.streaming import send_event

# What a browser needs to show the page is for everybody, and so is whether the server lives.
_OPEN = ("/", "/health", "/static")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# A body that is too large is read and dropped up to here, so that its sender gets to see the answer.
_DROPPED = 128 << 20


class Guard:
    """ASGI middleware.

    Args:
        app: what answers.
        limits: of the server.
        ending: of the server.
        meters: where answers are counted.
        api_key: the bearer token that is asked for; None: any will do.
        hosts: names that the Host header may have; None: any will do.
        paths: under which names answers are counted; others are together.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        ending: Ending,
        meters: Meters,
        api_key: str | None,
        hosts: Collection[str] | None,
        paths: Collection[str],
    ):
        self._app, self._limits, self._ending, self._meters = app, limits, ending, meters
        self._key, self._hosts, self._paths = api_key, hosts, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or refuses."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        headers = Headers(scope=scope)
        answer = _Answer(self._counted(path, send))
        try:
            self._require_own(headers)
            self._require_key(path, headers)
            if scope["method"] == "POST":  # all others are answered at once, and while the server stops
                self._require_taking()
                await self._ending.during(self._pass_on(scope, receive, answer))
            else:
                await self._pass_on(scope, receive, answer)
        except Refusal as refusal:
            await refusal.response(headers)(scope, receive, answer)
        except BrokenOff:
            await answer.break_off(refusals.stopping(), scope, receive)
        except _Gone:
            pass

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reads the body, and lets the application answer.

        Raises:
            Refusal: the body is too large, or slow.
        """
        try:
            body = await asyncio.wait_for(self._body(receive), self._limits.body_seconds)
        except TimeoutError:
            seconds = self._limits.body_seconds
            raise Refusal(408, f"the body did not arrive within {seconds:g} s", code="timeout") from None
        await self._app(scope, _replayed(body, receive), send)

    def _require_taking(self) -> None:
        if self._ending.is_stopping:
            raise refusals.stopping()

    def _require_own(self, headers: Headers) -> None:
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            raise Refusal(
                403, "the Host header names another server; ask by the address that `kgpt2 serve` prints", code="host"
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Refusal(403, "pages of other sites may not ask this server", code="origin")

    def _require_key(self, path: str, headers: Headers) -> None:
        if self._key is None or path == "/" or path.startswith(_OPEN[1:]):
            return
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(token.strip().encode("latin-1"), self._key.encode()):
            raise Refusal(
                401,
                "the API key is missing or wrong; send it as `Authorization: Bearer KEY`",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    async def _body(self, receive: Receive) -> bytes:
        """The whole body.

        Raises:
            Refusal: it is too large.
        """
        parts: list[bytes] = []
        size, more = 0, True
        while more and size <= _DROPPED:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            part = message.get("body", b"")
            size, more = size + len(part), message.get("more_body", False)
            if size <= self._limits.body:
                parts.append(part)
        if size > self._limits.body:
            limit = self._limits.body
            raise Refusal(413, f"the body is larger than {limit:,} bytes; send less at a time", code="too_large")
        return b"".join(parts)

    def _counted(self, path: str, send: Send) -> Send:
        counted = path if path in self._paths else "other"

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._meters.request(counted, message["status"])
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        return sending


class _Answer:
    """Sends an answer, and knows how far it is.

    Args:
        send: of the request.
    """

    def __init__(self, send: Send):
        self._send, self._has_begun = send, False

    async def __call__(self, message: Message) -> None:
        """Sends a part."""
        self._has_begun = True
        await self._send(message)

    async def break_off(self, why: Refusal, scope: Scope, receive: Receive) -> None:
        """Answers with an error; where the head of a stream has been sent, by an event."""
        headers = Headers(scope=scope)
        if not self._has_begun:
            await why.response(headers)(scope, receive, self)
            return
        with contextlib.suppress(TimeoutError):  # its reader may be slow
            await asyncio.wait_for(send_event(self, why.body(headers.get("accept-language", ""))), 1)
            await self._send({"type": "http.response.body", "body": b""})


class _Gone(Exception):
    """The client has left."""


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body once, and then what else comes: that the client has left."""
    waiting = [body]

    async def receiving() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return receiving


def _name(host: str) -> str:
    """A Host header without its port.

    Example:
        >>> _name("[::1]:8000"), _name("localhost:8000")
        ('[::1]', 'localhost')
    """
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()
