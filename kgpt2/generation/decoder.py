"""Prompts in, generations out, on any runtime."""

import dataclasses
import secrets
import time
from collections.abc import Callable, Iterator, Sequence

from kgpt2.errors import RequestError, quoted
from kgpt2.generation.beam import search
from kgpt2.generation.forms import mark_for, plans_for
from kgpt2.generation.loop import grow
from kgpt2.generation.rows import Bans, Codec, Generation, Prompt, Row
from kgpt2.generation.runtime import Runtime, round_up
from kgpt2.generation.settings import Settings
from kgpt2.verse.genres import split_mark
from kgpt2.verse.han import full_width
from kgpt2.verse.script import convert_script

DEFAULT_NEW_TOKENS = 128
# Characters of the longest token that vocabularies have: a longer prompt fits no context, and is not read at all.
LONGEST_TOKEN = 128


@dataclasses.dataclass
class Clock:
    """Seconds spent getting ready (compiling) and generating; never the one in the other."""

    startup: float = 0.0
    generating: float = 0.0
    new_tokens: int = 0


def prepare_prompts(
    texts: Sequence[str], codec: Codec, context: int, settings: Settings, read: Callable[[str], str] = str
) -> list[Prompt]:
    """Encodes prompts and settles how long each may grow: as its form has it, or as far as is asked for.

    Args:
        texts: as the user gave them.
        codec: the tokenizer.
        context: of the model, in tokens.
        settings: of the call.
        read: makes of a prompt what the model reads.

    Raises:
        RequestError: a prompt fills the context or max_length, so that nothing could follow; or it does not fit the
            form.
    """
    prompts = []
    for given in texts:
        if len(given) > context * LONGEST_TOKEN:
            raise RequestError(
                f"the prompt {quoted(given, 20)} has {len(given):,} characters, the model's context {context} tokens\n"
                "shorten the prompt"
            )
        text = given
        if not settings.as_typed:
            text = read(given)
            if settings.form or settings.acrostic:
                text = full_width(text)  # a form's own marks are
        if settings.script:
            (text,) = convert_script([text], "simplified")  # what Chinese GPT-2s learned from
        mark, text = split_mark(text, codec.added_tokens)
        plans = plans_for(text, codec, settings)
        if plans and not mark:
            mark = mark_for(plans, codec)
        ids = [codec.start_id, *codec.encode(mark + text)]
        shown = text if len(text) <= 20 else f"{text[:20]}…"
        if len(ids) >= context:
            raise RequestError(
                f"the prompt {shown!r} has {len(ids)} tokens, start token included; the model's context is {context}\n"
                "shorten the prompt, so that at least one token can follow"
            )
        room = settings.max_new_tokens or min(DEFAULT_NEW_TOKENS, context - len(ids))
        if plans:
            room = plans.length
            if len(ids) + room > context:
                raise RequestError(f"the form needs {room} more characters and marks, the context is {context}")
        elif settings.max_length is not None:
            room = settings.max_length - len(ids)
            if room <= 0:
                raise RequestError(
                    f"the prompt {shown!r} has {len(ids)} tokens, start token included: "
                    f"a max_length of {settings.max_length} leaves nothing to generate"
                )
        if settings.sampler == "beam" and len(ids) + room > context:
            raise RequestError(
                f"the prompt {shown!r} ({len(ids)} tokens) and {room} more do not fit the context of {context}\n"
                "beam search does not go past it: ask for fewer tokens, or take another sampler"
            )
        prompts.append(Prompt(text, ids, room, plans, given, mark))
    return prompts


def generate(
    runtime: Runtime, codec: Codec, prompts: Sequence[Prompt], settings: Settings, clock: Clock
) -> Iterator[Generation]:
    """Continues prompts in batches; yields in the order of the prompts, each prompt's continuations together.

    Args:
        runtime: computes the logits.
        codec: the tokenizer.
        prompts: from `prepare_prompts`.
        settings: how to choose tokens.
        clock: is added to.
    """
    if settings.sampler == "beam":
        yield from _searches(runtime, codec, prompts, settings, clock)
        return
    for rows, growing in _batches(runtime, codec, prompts, settings, clock):
        for _ in growing:
            pass
        yield from (row.result() for row in rows)


def stream(
    runtime: Runtime, codec: Codec, prompt: Prompt, settings: Settings, clock: Clock
) -> Iterator[str | Generation]:
    """Continues one prompt once; yields its completion piece by piece as it comes, and at last the whole generation.

    No piece ends in half a character, and the pieces together are the completion.
    """
    settings = dataclasses.replace(settings, num_return=1)
    for (row,), growing in _batches(runtime, codec, [prompt], settings, clock, streaming=True):
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
    runtime: Runtime, codec: Codec, prompts: Sequence[Prompt], settings: Settings, clock: Clock, streaming: bool = False
) -> Iterator[tuple[list[Row], Iterator[None]]]:
    """The rows in batches, each with what makes it grow."""
    seed = secrets.randbelow(2**32) if settings.seed is None else settings.seed
    rows = [Row(prompt, index, seed, codec, settings) for prompt in prompts for index in range(settings.num_return)]
    size = round_up(min(settings.batch_size, len(rows)), runtime.row_multiple) or 1
    bans = Bans(runtime.vocabulary_size, codec, settings)
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        yield batch, _timed(grow(runtime, codec, batch, size, settings, bans, streaming), batch, runtime, clock)


def _searches(
    runtime: Runtime, codec: Codec, prompts: Sequence[Prompt], settings: Settings, clock: Clock
) -> Iterator[Generation]:
    """The best texts of each prompt, so many prompts at a time that their beams are a batch."""
    size = max(1, settings.batch_size // settings.beams)
    bans = Bans(runtime.vocabulary_size, codec, settings)
    for start in range(0, len(prompts), size):
        found: list[Generation] = []
        searching = search(runtime, codec, prompts[start : start + size], settings, bans)
        for _ in _timed(map(found.extend, searching), [], runtime, clock):
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
