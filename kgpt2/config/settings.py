"""The settings of generation: names, types, defaults, ranges and meanings, declared here and nowhere else.

The command line, the keywords of `LanguageModel.generate` and the `sample:` section of a recipe are made from this.
"""

import dataclasses
import inspect
import re
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from kgpt2.config.values import as_kind, kind_of, require
from kgpt2.errors import RequestError, near

# What an int32 of the compiled loop holds, and what keeps quotients and powers of float32 finite.
_LARGEST, _SMALL, _LARGE = 2**31 - 1, 1e-6, 1e6
# What transformers, OpenAI and the command call settings otherwise.
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
_DRAWING = ("k", "p", "min_p", "typical_p", "temperature")
_SEARCHING = ("beams", "length_penalty", "early_stopping")
_UNUSED = {
    "greedy": _DRAWING + _SEARCHING,
    "top_k": ("p", *_SEARCHING),
    "top_p": _SEARCHING,
    "random": ("k", "p", *_SEARCHING),
    "beam": _DRAWING,
}
# What a Chinese writer calls the values of settings, and of options and keys of the same names.
CHINESE: dict[str, dict[str, str]] = {
    "tones": {"严": "strict", "嚴": "strict", "唐": "tang", "宽": "loose", "寬": "loose", "不拘": "off"},
    "rhyme": {
        "平水韵": "pingshui",
        "平水韻": "pingshui",
        "词林正韵": "cilin",
        "詞林正韻": "cilin",
        "中华新韵": "modern",
        "中華新韻": "modern",
        "中华通韵": "tongyun",
        "通韵": "tongyun",
        "中華通韻": "tongyun",
        "平水": "pingshui",
        "词林": "cilin",
        "新韵": "modern",
        "新韻": "modern",
        "不拘": "off",
    },
    "script": {
        "简体": "simplified",
        "簡體": "simplified",
        "繁体": "traditional",
        "繁體": "traditional",
    },
}


def in_our_words(name: str, value: object) -> object:
    """A value of a setting under the name that it has here; all else as it is.

    Example:
        >>> in_our_words("tones", "严"), in_our_words("tones", 3)
        ('strict', 3)
    """
    return CHINESE.get(name, {}).get(value, value) if isinstance(value, str) else value


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a setting does, and the numbers that it takes.

    Attributes:
        help: a sentence, as `kgpt2 generate --help` shows it.
        least: the least number that will do.
        most: the greatest.
        above: `least` itself will not do.
        hint: a way out for who goes beyond.
    """

    help: str
    least: float | None = None
    most: float | None = None
    above: bool = False
    hint: str = ""

    def check(self, name: str, value: Any) -> None:
        """Refuses a number out of range, and texts of which one is empty.

        Raises:
            RequestError: it is one.
        """
        if isinstance(value, tuple):
            require(all(value), name, value, "texts, none of them empty")
        elif self.least is not None and self.most is not None and value is not None:
            good = self.least <= value <= self.most and not (self.above and value == self.least)
            least = _shown(self.least)
            whole = f"a whole number from {least} to" if isinstance(value, int) else f"a number from {least} to"
            span = f"more than {least} and at most" if self.above else whole
            require(good, name, value, f"{span} {_shown(self.most)}{self.hint and f' ({self.hint})'}")


def _whole(least: int, help: str, most: int = _LARGEST) -> Meaning:
    return Meaning(help, least, most)


def _share(help: str) -> Meaning:
    return Meaning(help, 0, 1, above=True)


def _factor(help: str, hint: str) -> Meaning:
    return Meaning(help, _SMALL, _LARGE, hint=hint)


def _shown(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How a model continues prompts; names and meanings are transformers' where it has them.

    A value may be NumPy's; one text stands for several. `sampler="greedy"` uses no k, p or temperature, `top_k` uses k,
    `top_p` uses p within k, `random` draws from all tokens, `beam` searches for the most probable texts. `min_p` and
    `typical_p` (Meister et al. 2022, arXiv:2202.00666) cut whatever the sampler draws from. A form wins over all bans.

    Raises:
        RequestError: there is no such setting, a value will not do, or two settings exclude each other.

    Example:
        >>> Settings(sampler="top_k", k=5).temperature
        1.0
    """

    sampler: Annotated[
        Literal["greedy", "top_k", "top_p", "random", "beam"], Meaning("greedy, top_k, top_p, random or beam.")
    ] = "top_p"
    k: Annotated[int, _whole(0, "How many of the likeliest tokens stay; 0: all.")] = 50
    p: Annotated[float, _share("Share of the probability that stays (top_p).")] = 0.95
    min_p: Annotated[float | None, _share("Keep tokens at least this many times as likely as the best.")] = None
    typical_p: Annotated[float | None, _share("Share of the probability that stays, least surprising first.")] = None
    beams: Annotated[int, _whole(1, "Texts that a beam search follows.")] = 4
    length_penalty: Annotated[float, Meaning("Beams: above 0 favours long texts.", -10.0, 10.0)] = 1.0
    early_stopping: Annotated[bool, Meaning("Beams: the first that end will do.")] = False
    temperature: Annotated[float, _factor("Below 1 safer, above 1 bolder.", "or use greedy")] = 1.0
    repetition_penalty: Annotated[float, _factor("Above 1: fewer repeats.", "1: off")] = 1.0
    no_repeat_ngram: Annotated[int, _whole(0, "No run of N tokens comes twice; 0: off.")] = 0
    max_new_tokens: Annotated[int | None, _whole(1, "How many tokens may follow.  [default: 128, or what fits]")] = None
    max_length: Annotated[int | None, _whole(1, "The same limit with start token and prompt included.")] = None
    min_new_tokens: Annotated[int, _whole(0, "The end may not come before so many.")] = 0
    ban: Annotated[tuple[str, ...], Meaning("A text that may not come; may be given several times.")] = ()
    stop: Annotated[tuple[str, ...], Meaning("A text that ends the completion, and is left out of it.")] = ()
    form: Annotated[str, Meaning("五绝, 七绝, 五律, 七律, 对联, or a pattern such as 7，7。7，7。")] = ""
    acrostic: Annotated[str, Meaning("What the lines begin with, a character a line.")] = ""
    title: Annotated[str, Meaning("What a poem is called: for models that have learned titles, such as mini_zh.")] = ""
    keywords: Annotated[
        tuple[str, ...], Meaning("Words that it should hold, such as 明月,故乡: for models that have learned them.")
    ] = ()
    tones: Annotated[
        Literal["off", "loose", "tang", "strict"] | None,
        Meaning("off, loose, tang or strict.  [default: tang for regulated verse and couplets]"),
    ] = None
    rhyme: Annotated[
        str | None,
        Meaning("off, pingshui, cilin, modern, tongyun, or one rhyme: 一东.  [default: pingshui where a form rhymes]"),
    ] = None
    rhyme_words: Annotated[
        tuple[str, ...], Meaning("What stands at the rhyming places, in their order (步韵): 天,年,边.")
    ] = ()
    repeats: Annotated[
        Literal["none", "free"] | None,
        Meaning("none: no character comes twice, but doubled ones.  [default: none with a form]"),
    ] = None
    script: Annotated[
        Literal["simplified", "traditional"] | None,
        Meaning("Characters of the result: simplified or traditional.  [default: as the model writes]"),
    ] = None
    num_return: Annotated[int, _whole(1, "Continuations of each prompt.")] = 1
    best_of: Annotated[int, _whole(1, "Draw so many, and keep the best by their merit; 1: keep all.")] = 1
    seed: Annotated[
        int | None,
        _whole(0, "The same seed gives the same text.  [default: drawn, and reported]", 2**64 - 1),
    ] = None
    batch_size: Annotated[int, _whole(1, "Texts computed at a time.")] = 32
    default_bans: Annotated[bool, Meaning("Allow special, [unused] and ## tokens of a BERT vocabulary.")] = True
    logprobs: Annotated[
        bool, Meaning("With --json: the log-probability of each new token under the model, before any setting.")
    ] = False
    as_typed: Annotated[bool, Meaning("Read texts as they are, also where the model knows another form of a mark.")] = (
        False
    )

    def __new__(cls, **values: object) -> "Settings":
        for name in values:
            if name not in cls.__dataclass_fields__:
                known = f"; here it is called {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
                raise RequestError(f"{name}: there is no such setting{known or near(name, cls.__dataclass_fields__)}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, field in FIELDS.items():
            object.__setattr__(self, name, field.value(getattr(self, name)))
        words = (word.strip() for text in self.keywords for word in re.split("[,，、]", text))
        object.__setattr__(self, "keywords", tuple(filter(None, words)))
        ends = "".join(re.sub("[,，、\\s]", "", text) for text in self.rhyme_words)
        object.__setattr__(self, "rhyme_words", (*ends,))
        require(self.sampler != "top_k" or self.k > 0, "k", self.k, "1 or more for top_k")
        if self.best_of > 1:
            require(
                self.best_of >= self.num_return, "best_of", self.best_of, f"{self.num_return} or more, as asked for"
            )
            require(self.sampler != "beam", "best_of", self.best_of, "1 with beams, which are the best already")
        if self.sampler == "beam":
            require(self.num_return <= self.beams, "num_return", self.num_return, f"at most {self.beams}, the beams")
        if self.max_length is not None and self.max_new_tokens is not None:
            raise RequestError("max_length and max_new_tokens: give one of them, they set the same thing")
        if self.has_form:
            for name in ("stop", "min_new_tokens"):
                if getattr(self, name):
                    raise RequestError(f"{name}: a form has its own end, leave one of them out")
        for name, free in (
            ("tones", (None, "off")),
            ("rhyme", (None, "off")),
            ("rhyme_words", ((),)),
            ("repeats", (None, "free")),
        ):
            if not self.has_form and getattr(self, name) not in free:
                raise RequestError(f"{name}: belongs to a form, so add one, such as form 七绝")

    @property
    def unused(self) -> tuple[str, ...]:
        """The settings that this sampler does not look at.

        Example:
            >>> Settings(sampler="beam").unused
            ('k', 'p', 'min_p', 'typical_p', 'temperature')
        """
        return _UNUSED[self.sampler]

    @property
    def says_what_to_write(self) -> bool:
        """Whether a text can come of the settings alone, without a prompt."""
        return self.has_form or bool(self.title or self.keywords)

    @property
    def bans_repeats(self) -> bool:
        """Whether no character may come twice."""
        return self.has_form and self.repeats != "free"

    @property
    def has_form(self) -> bool:
        """Whether the text is to be verse of a form."""
        return bool(self.form or self.acrostic)


@dataclasses.dataclass(frozen=True)
class Field:
    """A setting as the makers of options and keywords see it.

    Attributes:
        name: of the setting.
        kind: its type: bool, int, float, str, a Literal, or a tuple of texts.
        optional: None will do as well.
        default: its value where none is given.
        meaning: its help and range.
        annotation: its type as it is written, None included.
    """

    name: str
    kind: Any
    optional: bool
    default: Any
    meaning: Meaning
    annotation: Any

    def value(self, given: object) -> Any:
        """A value of the setting in its type.

        Raises:
            RequestError: it will not do.
        """
        if given is None and self.optional:
            return None
        given = in_our_words(self.name, given)
        if not (type(given) is self.kind is not str):
            given = as_kind(self.name, given, self.kind)
        self.meaning.check(self.name, given)
        return given


def _fields() -> dict[str, Field]:
    hints = typing.get_type_hints(Settings, include_extras=True)
    found = {}
    for field in dataclasses.fields(Settings):
        annotation, meaning = typing.get_args(hints[field.name])
        found[field.name] = Field(field.name, *kind_of(annotation), field.default, meaning, annotation)
    return found


FIELDS = _fields()
# Without it, `help` and completion would show what `__new__` takes.
Settings.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [*inspect.signature(Settings.__init__).parameters.values()][1:]
)


def changed(settings: Settings | None, changes: Mapping[str, Any]) -> Settings:
    """Settings (None: the defaults) with other values for some of their fields.

    Raises:
        RequestError: these are no settings, there is no such field, or a value will not do.

    Example:
        >>> changed(Settings(k=3), {"p": 0.5}).k
        3
    """
    if settings is None:
        return Settings(**changes)
    require(isinstance(settings, Settings), "settings", settings, "a kgpt2 Settings object")
    unknown = [name for name in changes if name not in FIELDS]
    return (
        Settings(**{name: changes[name] for name in unknown}) if unknown else dataclasses.replace(settings, **changes)
    )
