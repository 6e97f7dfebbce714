"""A model behind HTTP: OpenAI's interface, and a page to write and to look at samplers."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from kgpt2.errors import RequestError
from kgpt2.extras import not_installed

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from kgpt2.generation.language_model import LanguageModel
    from kgpt2.serve.ending import Ending
    from kgpt2.serve.limits import Limits


def app(
    lm: "LanguageModel",
    *,
    name: str | None = None,
    api_key: str | None = None,
    hosts: Collection[str] | None = None,
    limits: "Limits | None" = None,
    ending: "Ending | None" = None,
) -> "ASGIApp":
    """An ASGI application to run or to mount elsewhere.

    Args:
        lm: the model, as `kgpt2.load` gives it.
        name: as requests call it; None: that of its folder.
        api_key: the bearer token that requests must bring; None: any will do.
        hosts: names that a request's Host header may have; None: any. Give them where a browser can reach the server
            unasked, as on a loopback address.
        limits: how much may be asked for.
        ending: by which it is told that the server stops, before its lifespan is over.

    Raises:
        RequestError: what it needs is not installed.

    Example:
        >>> import kgpt2.serve
        >>> application = kgpt2.serve.app(kgpt2.load("mini_zh"))
    """
    try:
        from kgpt2.serve.application import build
    except ModuleNotFoundError as error:
        raise missing(error) from None
    return build(lm, name, api_key, hosts, limits, ending)


def missing(error: ModuleNotFoundError) -> RequestError:
    """What to tell of a package that is not installed."""
    return not_installed(error.name or "a package", "serve")
