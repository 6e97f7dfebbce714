"""Prompts in, generations out, on any runtime."""

import dataclasses
import itertools
import secrets
import time
from collections.abc import Iterator, Sequence

from kgpt2.generation.beam import search
from kgpt2.generation.decoder import Decoder
from kgpt2.generation.loop import grow
from kgpt2.generation.merit import best
from kgpt2.generation.rows import Generation, Prompt, Row
from kgpt2.generation.runtime import Runtime


@dataclasses.dataclass
class Clock:
    """Accumulates the seconds of starting (loading, compiling) and of generating apart, and counts new tokens."""

    startup: float = 0.0
    generating: float = 0.0
    new_tokens: int = 0

    def rate(self) -> float:
        """New tokens a second, start-up apart."""
        return self.new_tokens / self.generating if self.generating else 0.0


def generate(decoder: Decoder, prompts: Sequence[Prompt], clock: Clock) -> Iterator[Generation]:
    """Continues prompts in batches; yields in the order of the prompts, each prompt's continuations together.

    Args:
        decoder: of the model, with the settings of the call.
        prompts: from `prompts.prepare_prompts`.
        clock: accumulates time and tokens.
    """
    if decoder.settings.best_of > 1:
        yield from _best(decoder, prompts, clock)
        return
    if decoder.settings.sampler == "beam":
        yield from _searches(decoder, prompts, clock)
        return
    for rows, growing in _batches(decoder, prompts, clock):
        for _ in growing:
            pass
        yield from (row.result() for row in rows)


def _best(decoder: Decoder, prompts: Sequence[Prompt], clock: Clock) -> Iterator[Generation]:
    """The best of many continuations of each prompt."""
    settings = decoder.settings
    many = dataclasses.replace(settings, best_of=1, num_return=settings.best_of, logprobs=True)
    drawn = generate(Decoder(decoder.runtime, decoder.tokenizer, many), prompts, clock)
    for _ in prompts:
        some = list(itertools.islice(drawn, settings.best_of))
        yield from best(some, settings.num_return, settings.keywords, settings.logprobs)


def stream(decoder: Decoder, prompt: Prompt, clock: Clock) -> Iterator[str | Generation]:
    """Continues one prompt once; yields its completion piece by piece as it comes, and at last the whole generation.

    No piece ends in half a character, and the pieces together are the completion.
    """
    for (row,), growing in _batches(decoder, [prompt], clock, streaming=True):
        shown = ""
        for _ in growing:
            settled = row.settled()
            if len(settled) > len(shown):
                yield settled[len(shown) :]
                shown = settled
        result = row.result()
        if result.completion[len(shown) :]:
            yield result.completion[len(shown) :]
        yield result


def _batches(
    decoder: Decoder, prompts: Sequence[Prompt], clock: Clock, streaming: bool = False
) -> Iterator[tuple[list[Row], Iterator[None]]]:
    """The rows in batches, each with what makes it grow."""
    settings, tokenizer = decoder.settings, decoder.tokenizer
    seed = secrets.randbelow(2**32) if settings.seed is None else settings.seed
    count = 1 if streaming else settings.num_return
    rows = [Row(prompt, index, seed, tokenizer, settings) for prompt in prompts for index in range(count)]
    size = min(settings.batch_size, len(rows)) or 1
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        yield batch, _timed(grow(decoder, batch, size, streaming), batch, decoder.runtime, clock)


def _searches(decoder: Decoder, prompts: Sequence[Prompt], clock: Clock) -> Iterator[Generation]:
    """The best texts of each prompt, so many prompts at a time that their beams are a batch."""
    size = max(1, decoder.settings.batch_size // decoder.settings.beams)
    for start in range(0, len(prompts), size):
        found: list[Generation] = []
        searching = map(found.extend, search(decoder, prompts[start : start + size]))
        for _ in _timed(searching, [], decoder.runtime, clock):
            pass
        clock.new_tokens += sum(generation.new_tokens for generation in found)
        yield from found


def _timed(growing: Iterator[None], rows: Sequence[Row], runtime: Runtime, clock: Clock) -> Iterator[None]:
    """The same, its time put on the clock; what the runtime compiled meanwhile is start-up."""
    while True:
        began, compiled = time.perf_counter(), runtime.compile_seconds
        ended = next(growing, "ended")
        compiled = runtime.compile_seconds - compiled
        clock.startup += compiled
        clock.generating += time.perf_counter() - began - compiled
        if ended == "ended":
            clock.new_tokens += sum(len(row.new) for row in rows)
            return
        yield
