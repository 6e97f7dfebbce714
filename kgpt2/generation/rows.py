"""What grows: a prompt's continuations, one row each, and how a row becomes the text that its caller gets."""

import copy
import dataclasses
import html
from collections.abc import Sequence

import numpy as np

from kgpt2.config.settings import Settings
from kgpt2.generation.codec import Codec
from kgpt2.verse.plan import Plans
from kgpt2.verse.rules import Need
from kgpt2.verse.script import convert_script


@dataclasses.dataclass(frozen=True)
class Prompt:
    """A prompt ready to be continued.

    Attributes:
        text: as the model reads it, the mark of its genre apart.
        ids: the start token, the mark where there is one, and the prompt's.
        max_new_tokens: how many may follow.
        plans: how its form can be filled; None: no form is asked for.
        given: as the user gave it; None: as the model reads it.
        mark: the token in front that names its genre; "": none.
        front: how many of the ids stand in front of the text: start token, marks, title and keywords.
        fixed: how many ids in front stay where a text outgrows the context, if they are a tuned prompt's; 1: none do.
    """

    text: str
    ids: list[int]
    max_new_tokens: int
    plans: Plans | None = None
    given: str | None = None
    mark: str = ""
    front: int = 1
    fixed: int = 1


@dataclasses.dataclass(frozen=True)
class Generation:
    """One continuation of one prompt.

    Attributes:
        prompt: as the user gave it.
        index: which of the prompt's continuations.
        text: prompt and completion, without special tokens; the prompt as the model reads it.
        completion: what was generated; a stop text and what came after it is left out.
        token_ids: from the start token to the last new token; the end token is not included.
        new_tokens: how many tokens were generated, the end token not included.
        finish_reason: "stop" at the end token, at a stop text or where a form is complete, "length" where the length
            asked for or the context was reached.
        seed: what the draws came from; the same prompt, index and seed give the same text.
        logprobs: the log-probability of each new token under the model; None where it was not asked for.
    """

    prompt: str
    index: int
    text: str
    completion: str
    token_ids: list[int]
    new_tokens: int
    finish_reason: str
    seed: int
    logprobs: list[float] | None = None

    def __str__(self) -> str:
        return self.text


class Generations(list[Generation]):
    """Generations in their order; a notebook shows them as a table."""

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{title}</th>" for title in ("prompt", "completion", "tokens", "ended by", "seed"))
        rows = "".join(
            "<tr>"
            + "".join(
                f'<td style="text-align: left; white-space: pre-wrap">{html.escape(str(value))}</td>'
                for value in (one.prompt, one.completion, one.new_tokens, one.finish_reason, one.seed)
            )
            + "</tr>"
            for one in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


class Row:
    """A continuation while it grows.

    Args:
        prompt: what it continues.
        index: which of the prompt's continuations.
        seed: of the call.
        codec: the tokenizer.
        settings: of the call.
    """

    def __init__(self, prompt: Prompt, index: int, seed: int, codec: Codec, settings: Settings):
        self.prompt, self.index, self.seed = prompt, index, seed
        self._codec, self._settings = codec, settings
        # A row's draws come from the seed and its index alone: neither its batch nor its place in it matters.
        self.draw = np.random.default_rng([seed, index])
        # What each new token must be; drawn apart, so that tones and rhymes leave the other draws as they are.
        self.plan = prompt.plans.choose(np.random.default_rng([seed, index, 1])) if prompt.plans else None
        self.new: list[int] = []
        self.logprobs: list[float] = []
        self.finish_reason: str | None = None

    @property
    def need(self) -> Need | None:
        """What the next token must be; None: no form is asked for."""
        if self.plan is None:
            return None
        need = self.plan[len(self.new)]
        if not need.back:
            return need
        before = [*self.prompt.ids, *self.new][-need.back]
        return Need(self._codec.vocabulary[before])

    @property
    def length(self) -> int:
        """Tokens of the text so far, without what stands in front of it."""
        return len(self.prompt.ids) - self.prompt.front + len(self.new)

    @property
    def left(self) -> int:
        """How many tokens may still come."""
        return self.prompt.max_new_tokens - len(self.new)

    def take(self, token: int, logprob: float | None = None) -> None:
        """Adds a token; the end token ends the row and is not kept."""
        if token == self._codec.end_id:
            self.finish_reason = "stop"
            return
        self.new.append(token)
        if logprob is not None:
            self.logprobs.append(logprob)
        if self._settings.stop and first_stop(self._completion(), self._settings.stop) is not None:
            self.finish_reason = "stop"
        elif not self.left:
            self.finish_reason = "length" if self.plan is None else "stop"

    def take_settled(self, token: int) -> None:
        """Adds a token that nobody has to draw; its draw is spent, so that later ones are what they would be."""
        self.draw.random()
        self.take(token)

    def copy(self) -> "Row":
        """A row with the same tokens that grows apart from this one."""
        other = copy.copy(self)
        other.new, other.logprobs = [*self.new], [*self.logprobs]
        return other

    def settled(self) -> str:
        """The part of the growing completion that no later token can change."""
        text, stops = self._completion(), self._settings.stop
        stop = first_stop(text, stops)
        if stop is not None:
            return text[:stop]
        text = text.rstrip("\ufffd")  # half a character of a byte-level vocabulary
        longest = max(map(len, stops), default=1)
        for size in range(min(longest - 1, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in stops):
                return text[:-size]
        return text

    def result(self) -> Generation:
        """The row as the caller gets it."""
        completion = self._completion()
        completion = completion[: first_stop(completion, self._settings.stop)]
        text, completion = in_script(self.prompt.text, completion, self._settings.script)
        return Generation(
            prompt=self.prompt.text if self.prompt.given is None else self.prompt.given,
            index=self.index,
            text=text,
            completion=completion,
            token_ids=self.prompt.ids + self.new,
            new_tokens=len(self.new),
            finish_reason=self.finish_reason or "length",
            seed=self.seed,
            logprobs=self.logprobs if self._settings.logprobs else None,
        )

    def _completion(self) -> str:
        """The text of the new tokens as it reads after the prompt (a word after a word gets its space)."""
        ids, decode = self.prompt.ids, self._codec.decode
        before, whole = decode(ids), decode(ids + self.new)
        return whole.removeprefix(before) if whole.startswith(before) else decode(self.new)


def first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the first stop text begins; None where none is there."""
    return min((place for place in map(text.find, stops) if place >= 0), default=None)


def in_script(prompt: str, completion: str, script: str | None) -> tuple[str, str]:
    """Prompt and completion as one text in a script, and the completion alone."""
    if script is None:
        return prompt + completion, completion
    # Converted as a whole: what stands beside a character can decide what it becomes.
    whole, before, after = convert_script([prompt + completion, prompt, completion], script)
    return whole, whole[len(before) :] if len(whole) == len(before) + len(after) else after
