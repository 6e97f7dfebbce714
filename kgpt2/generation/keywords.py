"""Every setting as a keyword of a method, so that completion, `inspect.signature` and type checkers see it.

A type checker copies the keywords from `Settings` itself (a ParamSpec), Python from `FIELDS`.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from kgpt2.config.settings import FIELDS, Settings, changed

_Keywords = ParamSpec("_Keywords")
_Model = TypeVar("_Model")
_Prompts = TypeVar("_Prompts")
_Result = TypeVar("_Result")
_PromptsIn = TypeVar("_PromptsIn", contravariant=True)
_ResultOut = TypeVar("_ResultOut", covariant=True)


class _Bound(Protocol[_PromptsIn, _Keywords, _ResultOut]):
    def __call__(
        self,
        prompts: _PromptsIn,
        settings: Settings | None = None,
        *args: _Keywords.args,
        **kwargs: _Keywords.kwargs,
    ) -> _ResultOut: ...


class _Method(Generic[_Model, _Prompts, _Keywords, _Result]):
    """What a type checker takes the method for."""

    @overload
    def __get__(self, instance: None, owner: Any) -> Callable[..., _Result]: ...
    @overload
    def __get__(self, instance: _Model, owner: Any) -> _Bound[_Prompts, _Keywords, _Result]: ...
    def __get__(self, instance: Any, owner: Any) -> Any: ...


def with_keywords(
    settings: Callable[_Keywords, Settings],
) -> Callable[[Callable[[_Model, _Prompts, Settings], _Result]], _Method[_Model, _Prompts, _Keywords, _Result]]:
    """Turns `method(self, prompts, settings)` into `method(self, prompts, settings=None, *, sampler="top_p", ...)`.

    Args:
        settings: the class `Settings`, from which type checkers take the keywords.
    """

    def decorate(
        method: Callable[[_Model, _Prompts, Settings], _Result],
    ) -> _Method[_Model, _Prompts, _Keywords, _Result]:
        @functools.wraps(method)
        def called(self: _Model, prompts: _Prompts, settings: Settings | None = None, **changes: Any) -> _Result:
            return method(self, prompts, changed(settings, changes))

        called.__signature__ = _signature(method)  # type: ignore[attr-defined]
        return cast("_Method[_Model, _Prompts, _Keywords, _Result]", called)

    return decorate


def _signature(method: Callable[..., Any]) -> inspect.Signature:
    own = inspect.signature(method)
    this, prompts, settings = own.parameters.values()
    settings = settings.replace(default=None, annotation=Settings | None)
    keywords = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.annotation)
        for name, field in FIELDS.items()
    ]
    return own.replace(parameters=[this, prompts, settings, *keywords])
