"""What a user asks of generation, with transformers' meaning; checked once, here, by type and by range."""

import dataclasses
import math
import numbers
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Literal

import numpy as np

from kgpt2.errors import RequestError, near
from kgpt2.verse.notation import parse

SAMPLERS = ("greedy", "top_k", "top_p", "random", "beam")
# What an int32 of the compiled loop holds, and what keeps quotients and powers of float32 finite.
_LARGEST, _SMALL, _LARGE = 2**31 - 1, 1e-6, 1e6
# What transformers, and this command, call settings otherwise.
_ELSEWHERE = {
    "bad_words_ids": "ban",
    "do_sample": "sampler",
    "max_tokens": "max_new_tokens",
    "n": "num_return",
    "no_repeat_ngram_size": "no_repeat_ngram",
    "num_beams": "beams",
    "num_return_sequences": "num_return",
    "stop_strings": "stop",
    "top_k": "k",
    "top_p": "p",
}
# Whether a value will do, and what it must be.
_Range = tuple[Callable[[Any], object], str]


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of one call; defaults are those of the command.

    Attributes:
        sampler: greedy uses no k, p or temperature; top_k uses k; top_p uses p within k; random draws from all tokens;
            beam searches for the most probable texts and draws nothing.
        k: how many of the most probable tokens stay (0: all).
        p: the smallest set of most probable tokens whose probabilities sum to p or more stays.
        min_p: tokens stay that are at least this many times as probable as the best one; None: off.
        typical_p: the tokens stay whose surprise is nearest to the expected one, until their probabilities sum to this
            (Meister et al. 2022, arXiv:2202.00666); None: off.
        beams: texts that a beam search follows.
        length_penalty: a beam's score is its log-probability divided by its length to this power: above 0 longer texts
            win, below 0 shorter ones.
        early_stopping: a beam search ends as soon as it has found as many texts as it has beams, although a better one
            might follow.
        temperature: divides the logits, before k and p are applied.
        repetition_penalty: makes every token that the text holds already less likely (above 1) or more (below); 1: off.
        no_repeat_ngram: no run of so many tokens comes twice in a text, prompt included (0: off).
        max_new_tokens: None: 128, or what the context leaves.
        max_length: start token and prompt included; rules out max_new_tokens.
        min_new_tokens: the end token may not come before so many others.
        ban: texts that may not come.
        stop: texts that end a completion; they are left out of it.
        form: of verse, by name or as a pattern (see `kgpt2.verse.notation`); "": any text. The form wins over all bans.
        acrostic: what the lines begin with, a character a line; "": nothing. Without a form a 七绝 or 七律.
        tones: off, loose or strict (see `kgpt2.verse.meter`).
        rhyme: off, pingshui or modern (see `kgpt2.verse.sounds`).
        script: the characters of the result, simplified or traditional; None: as the model writes them.
        num_return: continuations of each prompt.
        seed: None: drawn.
        batch_size: rows computed at a time.
        default_bans: forbid the tokens that no good text holds (see `BertTokenizer.default_bans`).
        logprobs: report the log-probability of each new token under the model, before any setting.
        as_typed: prompts are read as they are, also where the model knows another form of a mark or character.
    """

    sampler: Literal["greedy", "top_k", "top_p", "random", "beam"] = "top_p"
    k: int = 50
    p: float = 0.95
    min_p: float | None = None
    typical_p: float | None = None
    beams: int = 4
    length_penalty: float = 1.0
    early_stopping: bool = False
    temperature: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    max_new_tokens: int | None = None
    max_length: int | None = None
    min_new_tokens: int = 0
    ban: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    form: str = ""
    acrostic: str = ""
    tones: Literal["off", "loose", "strict"] = "off"
    rhyme: Literal["off", "pingshui", "modern"] = "off"
    script: Literal["simplified", "traditional"] | None = None
    num_return: int = 1
    seed: int | None = None
    batch_size: int = 32
    default_bans: bool = True
    logprobs: bool = False
    as_typed: bool = False

    def __new__(cls, *values: object, **named: object) -> "Settings":
        for name in named:
            if name not in cls.__dataclass_fields__:
                known = f"; here it is called {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
                hint = known or near(name, cls.__dataclass_fields__)
                raise RequestError(f"{name}: there is no such setting{hint}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, (kind, optional) in _KINDS.items():
            value = getattr(self, name)
            if not (type(value) is kind is not str or (optional and value is None)):
                object.__setattr__(self, name, _typed(name, value, kind))
        for name, (good, wanted) in _RANGES.items():
            value = getattr(self, name)
            _require(value is None or good(value), name, value, wanted)
        _require(self.sampler != "top_k" or self.k > 0, "k", self.k, "1 or more for top_k")
        if self.sampler == "beam":
            _require(self.num_return <= self.beams, "num_return", self.num_return, f"at most {self.beams}, the beams")
        if self.max_length is not None and self.max_new_tokens is not None:
            raise RequestError("max_length and max_new_tokens: give one of them, they set the same thing")
        if self.form or self.acrostic:
            parse(self.form or "七绝")
            for name in ("stop", "min_new_tokens"):
                if getattr(self, name):
                    raise RequestError(f"{name}: a form has its own end, leave one of them out")
        elif (self.tones, self.rhyme) != ("off", "off"):
            raise RequestError("tones and rhyme belong to a form: add one, such as form 七绝")


def changed(settings: Settings | None, changes: Mapping[str, Any]) -> Settings:
    """Settings (None: the defaults) with other values for some of their fields.

    Raises:
        RequestError: these are no settings, there is no such field, or a value will not do.
    """
    if settings is None:
        return Settings(**changes)
    _require(isinstance(settings, Settings), "settings", settings, "a kgpt2 Settings object")
    return dataclasses.replace(settings, **changes)


def as_text(name: str, value: object) -> str:
    """A value that must be a text, whole characters alone; arguments and errors as those of `as_texts`."""
    _require(isinstance(value, str), name, value, "a text")
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
    """
    if isinstance(value, str):
        return [as_text(name, value)]
    ordered = isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | memoryview | Mapping | Set)
    _require(ordered, name, value, "a text or several")
    return [as_text(f"{name}[{place}]", one) for place, one in enumerate(typing.cast("Iterable[object]", value))]


def _whole(least: int) -> _Range:
    return lambda value: least <= value <= _LARGEST, f"a whole number from {least} to {_LARGEST}"


def _share() -> _Range:
    return lambda value: 0 < value <= 1, "more than 0 and at most 1"


def _between(least: float, most: float, hint: str = "") -> _Range:
    return lambda value: least <= value <= most, f"a number from {least:g} to {most:g}{hint}"


# What a value must be, and how to say so; None passes where a field allows it.
_RANGES: dict[str, _Range] = {
    **{name: _whole(0) for name in ("k", "no_repeat_ngram", "min_new_tokens")},
    **{name: _whole(1) for name in ("beams", "max_new_tokens", "max_length", "num_return", "batch_size")},
    **{name: _share() for name in ("p", "min_p", "typical_p")},
    "length_penalty": _between(-10, 10),
    "temperature": _between(_SMALL, _LARGE, " (or use greedy)"),
    "repetition_penalty": _between(_SMALL, _LARGE, " (1: off)"),
    "seed": (lambda value: 0 <= value < 2**64, "0 or more and less than 2**64"),
    **dict.fromkeys(("ban", "stop"), (all, "texts, none of them empty")),
}


def _kind(annotation: Any) -> tuple[Any, bool]:
    """The type that a field asks for, and whether None will do as well."""
    optional = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return (typing.get_args(annotation)[0] if optional else annotation), optional


_KINDS = {field.name: _kind(field.type) for field in dataclasses.fields(Settings)}


def _typed(name: str, value: object, kind: Any) -> Any:
    """A value in the type of its field: NumPy's numbers become Python's, one text a tuple of one.

    Raises:
        RequestError: it is of another type.
    """
    if kind is bool:
        _require(isinstance(value, bool | np.bool_), name, value, "True or False")
        return bool(value)
    if kind in (int, float):
        number, wanted = (numbers.Integral, "a whole number") if kind is int else (numbers.Real, "a number")
        _require(isinstance(value, number) and not isinstance(value, bool), name, value, wanted)
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


def _require(good: object, name: str, value: object, wanted: str) -> None:
    if not good:
        try:
            shown = repr(value)[:80]
        except ValueError:  # Python does not write out whole numbers of thousands of digits
            shown = f"a number of {int.bit_length(value)} bits" if isinstance(value, int) else "this"
        raise RequestError(f"{name}: {shown} will not do, it must be {wanted}")
