"""Values that a caller gives, brought into the type that is asked for, or refused by name."""

import math
import numbers
import types
import typing
from collections.abc import Iterable, Mapping, Set
from typing import Any

from kgpt2.errors import RequestError, near


def as_text(name: str, value: object) -> str:
    """A value that must be a text, whole characters alone; arguments and errors as those of `as_texts`."""
    require(isinstance(value, str), name, value, "a text")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(f"{name}: no text, there is half a character at place {error.start} (a surrogate)") from None
    return text


def as_texts(name: str, value: object) -> list[str]:
    """One text or several as a list.

    Args:
        name: what to call them in an error.
        value: a text, or anything that yields texts in an order.

    Raises:
        RequestError: there is something else in it, or half a character (a lone surrogate).

    Example:
        >>> as_texts("prompts", ("春", "秋"))
        ['春', '秋']
    """
    if isinstance(value, str):
        return [as_text(name, value)]
    ordered = isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | memoryview | Mapping | Set)
    require(ordered, name, value, "a text or several")
    return [as_text(f"{name}[{place}]", one) for place, one in enumerate(typing.cast("Iterable[object]", value))]


def kind_of(annotation: Any) -> tuple[Any, bool]:
    """The type that an annotation asks for, and whether None will do as well."""
    optional = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return (typing.get_args(annotation)[0] if optional else annotation), optional


def as_kind(name: str, value: object, kind: Any) -> Any:
    """A value in the type of its setting: NumPy's numbers become Python's, one text a tuple of one.

    Raises:
        RequestError: it is of another type.
    """
    if kind is bool:
        require(isinstance(value, bool) or _is_numpys_bool(value), name, value, "True or False")
        return bool(value)
    if kind in (int, float):
        number, wanted = (numbers.Integral, "a whole number") if kind is int else (numbers.Real, "a number")
        require(isinstance(value, number) and not isinstance(value, bool), name, value, wanted)
        try:
            return kind(value)
        except OverflowError:  # a whole number that no float holds
            return math.inf
    if typing.get_origin(kind) is tuple:
        return tuple(as_texts(name, value))
    text, known = as_text(name, value), typing.get_args(kind)  # of a Literal
    if known and text not in known:
        raise RequestError(f"{name}: {text[:80]} will not do, it must be one of {', '.join(known)}{near(text, known)}")
    return text


def _is_numpys_bool(value: object) -> bool:
    import numpy as np  # not above: `kgpt2 --help` reads the settings, and NumPy takes as long as all the rest of it

    return isinstance(value, np.bool_)


def require(good: object, name: str, value: object, wanted: str) -> None:
    """Refuses a value by its name.

    Raises:
        RequestError: it is not good.
    """
    if not good:
        try:
            shown = repr(value)[:80]
        except ValueError:  # Python does not write out whole numbers of thousands of digits
            shown = f"a number of {int.bit_length(value)} bits" if isinstance(value, int) else "this"
        raise RequestError(f"{name}: {shown} will not do, it must be {wanted}")
