"""What a request for completions may say: OpenAI's names for what OpenAI has, our own for the rest."""

import dataclasses
import json
import typing
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import pydantic

from kgpt2.config.schema import of_setting
from kgpt2.config.settings import FIELDS, Field, Settings
from kgpt2.config.values import as_texts, require
from kgpt2.errors import RequestError

# OpenAI's names of our settings; top_k is not theirs, but what every server calls it.
NAMES = {"max_new_tokens": "max_tokens", "num_return": "n", "k": "top_k", "p": "top_p"}
# The server has batches of its own, and no beams in them; OpenAI's logprobs are a number.
_LEFT_OUT = ("batch_size", "beams", "length_penalty", "early_stopping", "max_length", "logprobs", "temperature")
_SAMPLERS = ("greedy", "top_k", "top_p", "random")
DEFAULT_TOKENS = 64
_MOST_LOGPROBS = 20
_NO_PENALTY = "for fewer repeats set repetition_penalty"
_ABOVE_0 = dataclasses.replace(
    FIELDS["temperature"], meaning=dataclasses.replace(FIELDS["temperature"].meaning, hint="or 0: greedy")
)


def _checked(check: Any, schema: dict[str, Any]) -> Any:
    """A type whose values are looked at by a function of ours, and described by a JSON schema."""

    def validate(value: object) -> Any:
        try:
            return check(value)
        except RequestError as error:
            raise ValueError(str(error)) from None

    return Annotated[Any, pydantic.AfterValidator(validate), pydantic.WithJsonSchema(schema)]


def _setting(field: Field) -> tuple[Any, Any]:
    """A setting as a key of the request."""
    named = dataclasses.replace(field, name=NAMES.get(field.name, field.name))

    def check(value: object) -> Any:
        return field.default if value is None else named.value(value)

    return _checked(check, _schema(named)), pydantic.Field(field.default, description=field.meaning.help)


def _schema(field: Field) -> dict[str, Any]:
    values = of_setting(field) | ({"enum": list(_SAMPLERS)} if field.name == "sampler" else {})
    return {"anyOf": [values, {"type": "null"}]}


def _temperature(value: object) -> float:
    """As in `Settings`, and OpenAI's 0, which is greedy."""
    if value is None:
        return 1.0
    return 0.0 if type(value) in (int, float) and value == 0 else float(_ABOVE_0.value(value))


def _prompt(value: object) -> list[str]:
    return [""] if value is None else as_texts("prompt", value)


def _neutral(name: str, off: object, instead: str) -> Any:
    """A key of OpenAI's that would change the text in a way that is not known here: only what changes nothing will do.

    Args:
        name: of the key.
        off: the value that changes nothing, beside null.
        instead: what to do.
    """

    def check(value: object) -> None:
        good = value is None or (value == off and type(value) is not bool)
        require(good, name, value, f"{json.dumps(off)} or null here; {instead}")

    return _checked(check, {"enum": [off, None]})


def _logprobs(value: object) -> int | None:
    good = value is None or (type(value) is int and 0 <= value <= _MOST_LOGPROBS)
    require(good, "logprobs", value, f"a whole number from 0 to {_MOST_LOGPROBS}")
    return typing.cast("int | None", value)


_TEXTS = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}, {"type": "null"}]
}
_LOGPROBS = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": _MOST_LOGPROBS}, {"type": "null"}]}
_TEMPERATURE = {
    "anyOf": [{"type": "number", "minimum": 0, "maximum": FIELDS["temperature"].meaning.most}, {"type": "null"}]
}


if TYPE_CHECKING:
    Prompts: TypeAlias = list[str]
    Logprobs: TypeAlias = int | None
    Temperature: TypeAlias = float
    Presence: TypeAlias = None
    Frequency: TypeAlias = None
    Bias: TypeAlias = None
    Suffix: TypeAlias = None
else:
    Prompts = _checked(_prompt, _TEXTS)
    Logprobs = _checked(_logprobs, _LOGPROBS)
    Temperature = _checked(_temperature, _TEMPERATURE)
    Presence = _neutral("presence_penalty", 0, _NO_PENALTY)
    Frequency = _neutral("frequency_penalty", 0, _NO_PENALTY)
    Bias = _neutral("logit_bias", {}, "to keep a text out set ban")
    Suffix = _neutral("suffix", "", "texts are continued, not filled in")


class StreamOptions(pydantic.BaseModel):
    """OpenAI's `stream_options`."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = pydantic.Field(None, description="Pieces are never padded.")


class _Asked(pydantic.BaseModel):
    """A request for completions."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: str | None = pydantic.Field(None, description="The name that /v1/models gives, or nothing.")
    prompt: Prompts = pydantic.Field([""], description="One text or several to continue.")
    stream: bool | None = pydantic.Field(None, description="Send the text as it comes, as server-sent events.")
    stream_options: StreamOptions | None = None
    echo: bool | None = pydantic.Field(None, description="Begin the text with the prompt.")
    logprobs: Logprobs = pydantic.Field(
        None, description="Log-probabilities of the tokens, and so many of the most probable ones at each place."
    )
    temperature: Temperature = pydantic.Field(1.0, description="Below 1 safer, above 1 bolder; 0: greedy.")
    user: str | None = pydantic.Field(None, description="Whoever asks; not looked at.")
    presence_penalty: Presence = pydantic.Field(None, description="OpenAI's; off.")
    frequency_penalty: Frequency = pydantic.Field(None, description="OpenAI's; off.")
    logit_bias: Bias = pydantic.Field(None, description="OpenAI's; empty.")
    suffix: Suffix = pydantic.Field(None, description="OpenAI's; empty.")

    @property
    def settings(self) -> Settings:
        """The request as `generate` takes it.

        Raises:
            RequestError: two settings exclude each other, or one is not for a server.
        """
        values = {name: getattr(self, NAMES.get(name, name)) for name in FIELDS if name not in _LEFT_OUT}
        require(values["sampler"] in _SAMPLERS, "sampler", values["sampler"], f"one of {', '.join(_SAMPLERS)}")
        if self.temperature == 0:
            values["sampler"] = "greedy"
        else:
            values["temperature"] = self.temperature
        given = Settings(**values, logprobs=self.logprobs is not None)
        if given.max_new_tokens is None and not given.has_form:
            given = dataclasses.replace(given, max_new_tokens=DEFAULT_TOKENS)
        if self.stream and (given.script or given.best_of > 1):
            raise RequestError("stream: shows texts as they grow; not with script or best_of, which need them whole")
        return given


if TYPE_CHECKING:
    Asked = _Asked
else:  # each setting is a key, with the type, range and default that it has everywhere
    _keys = {NAMES.get(name, name): _setting(field) for name, field in FIELDS.items() if name not in _LEFT_OUT}
    Asked = pydantic.create_model("Completion", __base__=_Asked, __doc__=_Asked.__doc__, **_keys)

KEYS = tuple(Asked.model_fields)
