"""Errors as OpenAI writes them, with our own sentences."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse

from kgpt2.errors import escaped, near
from kgpt2.language import in_chinese
from kgpt2.serve.asking import KEYS, NAMES

_PARAM = re.compile(r"(?:--)?([a-z_]+)[\[:： ]")


@dataclasses.dataclass
class Refusal(Exception):
    """Why a request is not answered.

    Attributes:
        status: of HTTP.
        message: what, and the way out.
        param: the key of the request that it is about.
        code: a word for programs.
        headers: of the answer.
        chinese: the message in Chinese; "": what the catalogue makes of it.
    """

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    chinese: str = ""

    def body(self, languages: str = "") -> dict[str, Any]:
        """OpenAI's object.

        Args:
            languages: that the reader wants, as HTTP's Accept-Language has them: Chinese where it comes first.

        Example:
            >>> Refusal(400, "k: there is no such setting").body("zh-CN,en")["error"]["message"]
            'k：没有这项设置'
        """
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        message = (self.chinese or in_chinese(self.message)) if reads_chinese(languages) else self.message
        return {"error": {"message": message, "type": kind, "param": self.param, "code": self.code}}

    def response(self, headers: Mapping[str, str]) -> JSONResponse:
        """The answer to a request with these headers."""
        return JSONResponse(self.body(headers.get("accept-language", "")), self.status, self.headers)


def reads_chinese(languages: str) -> bool:
    """Whether Chinese comes first in an Accept-Language header."""
    return languages.lower().startswith("zh")


def stopping() -> Refusal:
    """The server takes nothing new, or has broken off what was running."""
    message = "the server is stopping; send this again in a few seconds, or to another one"
    return Refusal(503, message, None, "stopping", {"Retry-After": "5"})


def busy() -> Refusal:
    """The queue is full."""
    return Refusal(
        503, "too many requests wait already; try again in a second", None, "overloaded", {"Retry-After": "1"}
    )


def of_error(message: str) -> Refusal:
    """A `RequestError`, its settings called as the request calls them.

    Example:
        >>> of_error("k: 0 will not do").body()["error"]["param"]
        'top_k'
    """
    match = _PARAM.match(message)
    param = NAMES.get(match[1], match[1]) if match else None
    if param not in KEYS:
        return Refusal(400, message)
    english, chinese = (
        _PARAM.sub(lambda name: f"{param}{name[0][-1]}", said, 1) for said in (message, in_chinese(message))
    )
    return Refusal(400, english, param, chinese=chinese)


def of_validation(errors: Sequence[dict[str, Any]]) -> Refusal:
    """What pydantic found wrong with a request, the first of it in one sentence."""
    error = errors[0]
    place = [str(part) for part in error["loc"] if part != "body"]
    kind, param = error["type"], ".".join(place) or None
    if kind == "json_invalid":
        return Refusal(400, f"the body is no JSON: {escaped(error.get('ctx', {}).get('error', ''))}")
    if kind == "extra_forbidden":
        shown = escaped(param or "")
        return Refusal(400, f"{shown}: there is no such setting{near(shown, KEYS)}", shown, "unknown_parameter")
    if kind == "value_error":
        return of_error(str(error["ctx"]["error"]))
    if not place:
        return Refusal(400, 'the body must be a JSON object, such as {"prompt": "春风"}, sent as application/json')
    said = {"missing": "is missing"}.get(kind, f"will not do: {error['msg'][:1].lower()}{error['msg'][1:]}")
    return Refusal(400, f"{escaped(param)} {said}", escaped(param))
