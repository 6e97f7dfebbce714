"""A request made into lines that grow, and what has grown made into OpenAI's answers."""

import asyncio
import dataclasses
import functools
import itertools
import secrets
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from kgpt2 import language
from kgpt2.config.settings import Settings
from kgpt2.errors import RequestError
from kgpt2.generation.decoder import Decoder
from kgpt2.generation.language_model import LanguageModel, notes_of
from kgpt2.generation.merit import best
from kgpt2.generation.processors import log_probabilities
from kgpt2.generation.prompts import note_of_length
from kgpt2.generation.rows import Generation, Prompt, Row
from kgpt2.serve.asking import Asked
from kgpt2.serve.growth import Best, Line, best_tokens
from kgpt2.serve.limits import Limits
from kgpt2.serve.scheduler import Job

Json = dict[str, Any]
# What a decoder looks at; requests that agree in these share one, and so does each step's work for them.
_DECODING = (
    *("sampler", "k", "p", "min_p", "typical_p", "temperature", "repetition_penalty", "no_repeat_ngram"),
    *("min_new_tokens", "ban", "default_bans", "logprobs"),
)
_SOME_FORM = "五绝"
_DECODERS = 32


class Decoders:
    """The decoders of a model, so many of the last ones kept.

    Args:
        lm: the model.
    """

    def __init__(self, lm: LanguageModel):
        self._made = functools.lru_cache(maxsize=_DECODERS)(lm.decoder)

    def of(self, settings: Settings) -> Decoder:
        """The decoder for settings."""
        decoding = Settings(**{name: getattr(settings, name) for name in _DECODING})
        if settings.has_form:  # rows of a form and others are not decoded together; which form is the rows' affair
            decoding = dataclasses.replace(decoding, form=_SOME_FORM, repeats=settings.repeats)
        return self._made(decoding)


@dataclasses.dataclass
class Work:
    """A request on its way.

    Attributes:
        asked: as it came.
        settings: the same for `generate`.
        prompts: as the model reads them.
        lines: what grows, each prompt's together.
        seed: what they are drawn from.
        echoed: for each prompt the log-probabilities of its tokens and the best ones there, where that is asked for.
    """

    asked: Asked
    settings: Settings
    prompts: list[Prompt]
    lines: list[Line]
    seed: int
    echoed: list[tuple[list[float], list[Best]]]

    def job(self) -> Job:
        """The lines as the scheduler takes them, read by this event loop."""
        return Job(self.lines, asyncio.get_running_loop())

    def generations(self) -> list[Generation]:
        """What has grown, each prompt's continuations together, the best of them where so many were drawn for it."""
        results = [line.row.result() for line in self.lines]
        if self.settings.best_of == 1:
            return results
        count, wanted = self.settings.best_of, self.settings
        groups = [results[start : start + count] for start in range(0, len(results), count)]
        kept = [best(some, wanted.num_return, wanted.keywords, wanted.logprobs) for some in groups]
        return [one for some in kept for one in some]

    def usage(self) -> dict[str, int]:
        """OpenAI's count of tokens: start tokens are the prompts', and all that was drawn was generated."""
        prompt = sum(len(one.ids) for one in self.prompts)
        completion = sum(len(line.row.new) for line in self.lines)
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def prepare(lm: LanguageModel, asked: Asked, decoders: Decoders, limits: Limits) -> Work:
    """Looks at a request and makes its lines.

    Raises:
        RequestError: it cannot be done, or is too much.
    """
    settings = asked.settings
    _require_bearable(asked, settings, limits)
    prompts = lm.prepare(asked.prompt, settings)
    seed = secrets.randbelow(2**32) if settings.seed is None else settings.seed
    drawn = settings
    if settings.best_of > 1:
        drawn = dataclasses.replace(settings, best_of=1, num_return=settings.best_of, logprobs=True)
    decoder = decoders.of(drawn)
    lines = [
        Line(Row(prompt, index, seed, lm.tokenizer, drawn), decoder, asked.logprobs or 0)
        for prompt in prompts
        for index in range(drawn.num_return)
    ]
    scored = prompts if asked.echo and settings.logprobs else []
    echoed = [_echoed(lm, prompt, asked.logprobs) for prompt in scored]
    return Work(asked, settings, prompts, lines, seed, echoed)


def _require_bearable(asked: Asked, settings: Settings, limits: Limits) -> None:
    name, each = max(("n", settings.num_return), ("best_of", settings.best_of), key=lambda pair: pair[1])
    texts = len(asked.prompt) * each
    if not asked.prompt:
        raise RequestError("prompt: an empty list; give a text, or several")
    if texts > limits.texts:
        name = "prompt" if each == 1 else name
        raise RequestError(f"{name}: {texts:,} texts in one request, this server takes {limits.texts}\nsend several")
    if (settings.max_new_tokens or 0) > limits.tokens:
        raise RequestError(f"max_tokens: {settings.max_new_tokens:,} will not do, this server allows {limits.tokens:,}")


def _echoed(lm: LanguageModel, prompt: Prompt, top: int | None) -> tuple[list[float], list[Best]]:
    """Log-probabilities of a prompt's tokens behind the start tokens, and the best ones at each place."""
    told = prompt.ids[prompt.fixed :]
    if not told:
        return [], []
    logits = lm.runtime.logits([prompt.ids[:-1]])[0][prompt.fixed - 1 :]
    values = log_probabilities(logits, np.array(told, np.int64)).tolist()
    return values, [best_tokens(row, top) for row in logits] if top else []


class Answers:
    """OpenAI's objects for one request.

    Args:
        work: the request.
        lm: what answers.
        name: of the model.
        in_chinese: the language of notes, where the catalogue has them; else English.
    """

    def __init__(self, work: Work, lm: LanguageModel, name: str, in_chinese: bool = False):
        self._work, self._lm = work, lm
        self._head: Json = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": name,
        }
        say = language.in_chinese if in_chinese else str
        notes = notes_of(work.prompts, say)
        longest = max(len(prompt.ids) + prompt.max_new_tokens for prompt in work.prompts)
        if outgrowing := note_of_length(longest, lm.runtime.context):
            notes.append(say(outgrowing))
        if notes:
            self._head["notes"] = notes

    def whole(self) -> Json:
        """The answer to a request that is not streamed."""
        work = self._work
        generations = work.generations()
        each = work.settings.num_return
        choices = []
        for number, one in enumerate(generations):
            tops = work.lines[number].tops if work.settings.best_of == 1 else []
            new = one.token_ids[len(one.token_ids) - one.new_tokens :]
            logprobs = None if one.logprobs is None else self._logprobs(number // each, new, one.logprobs, tops, 0)
            text = one.text if work.asked.echo else one.completion
            choices.append(self._choice(number, text, one.finish_reason, logprobs))
        return self._head | {"choices": choices, "usage": work.usage(), "seed": work.seed}

    def piece(self, number: int, text: str, told: int, finish_reason: str | None) -> tuple[Json, int]:
        """A piece of a streamed answer.

        Args:
            number: of the line.
            text: what is new of it.
            told: how many tokens' log-probabilities have been sent.
            finish_reason: with the last piece.

        Returns:
            The object, and how many tokens' log-probabilities have been sent now.
        """
        work, line = self._work, self._work.lines[number]
        logprobs, known = None, len(line.tops if line.top else line.row.logprobs)
        if work.settings.logprobs:
            values, prompt = line.row.logprobs[:known], number // work.settings.num_return
            logprobs = self._logprobs(prompt, line.row.new[:known], values, line.tops[:known], told)
        choice = self._choice(number, text, finish_reason, logprobs)
        return self._head | {"choices": [choice], "seed": work.seed}, known

    def usage(self) -> Json:
        """The last object of a stream for which `include_usage` is asked."""
        return self._head | {"choices": [], "usage": self._work.usage(), "seed": self._work.seed}

    @staticmethod
    def _choice(number: int, text: str, finish_reason: str | None, logprobs: Json | None) -> Json:
        return {"index": number, "text": text, "finish_reason": finish_reason, "logprobs": logprobs}

    def _logprobs(
        self, prompt: int, new: Sequence[int], values: Sequence[float], tops: Sequence[Best], told: int
    ) -> Json:
        """Tokens behind those told, their log-probabilities, the best at each place, and where each token begins."""
        asked, ids = self._work.prompts[prompt], list(new)
        logs, bests = list(values), list(tops)
        offset = len(asked.text)
        if self._work.echoed:
            before, tops_before = self._work.echoed[prompt]
            ids, logs, bests = asked.ids[asked.fixed :] + ids, [*before, *logs], [*tops_before, *bests]
            told += len(before) if told else 0
            offset -= sum(len(self._token(one)) for one in asked.ids[asked.fixed :])
        tokens = [self._token(one) for one in ids]
        ends = list(itertools.accumulate(map(len, tokens), initial=offset))
        return {
            "tokens": tokens[told:],
            "token_logprobs": logs[told:],
            "top_logprobs": [self._named(one) for one in bests[told:]] or None,
            "text_offset": ends[told:-1],
        }

    def _named(self, tokens: Best) -> dict[str, float]:
        return {self._token(token): value for token, value in tokens}

    def _token(self, token: int) -> str:
        return self._lm.tokenizer.decode([token])
