"""What `kgpt2 generate` does between its options and its texts: prompts looked over, texts printed or written."""

import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from kgpt2.assets import MODELS
from kgpt2.checkpoints.checkpoint import Checkpoint
from kgpt2.cli.console import say
from kgpt2.config.settings import Settings
from kgpt2.data.reading import Noticed
from kgpt2.errors import RequestError
from kgpt2.generation import bulk
from kgpt2.generation.first_line import form_of_first_line, is_instruction
from kgpt2.generation.generate import Clock, generate, stream
from kgpt2.generation.language_model import LanguageModel
from kgpt2.generation.prompts import Prompts, note_of_length, prepare_prompts, reader_of
from kgpt2.generation.rows import Generation

# How many texts are drawn where the form was chosen for the user, so that the first impression is no lottery.
BEST_OF = 8


def require_sense(settings: Settings, streaming: bool, as_json: bool, out: str | None, resume: bool) -> None:
    """Refuses options that exclude each other.

    Raises:
        RequestError: naming them.
    """
    many = as_json or out is not None or settings.num_return > 1 or settings.best_of > 1
    if streaming and (many or settings.script or settings.sampler == "beam"):
        raise RequestError(
            "--stream: shows one text after the other as it comes; "
            "not with --json, --out, -n, --best-of, --script or --sampler beam"
        )
    if settings.logprobs and not as_json:
        raise RequestError("--logprobs: shown with --json alone")
    if resume and out is None:
        raise RequestError("--resume: needs the --out FILE that it goes on with")


def say_unused(settings: Settings, context: click.Context) -> None:
    """Notes the options that were given and change nothing with this sampler."""
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        if given and parameter.name in settings.unused:
            say(f"note: {parameter.opts[0]} changes nothing with --sampler {settings.sampler}")
    if settings.sampler == "greedy" and settings.num_return > 1:
        say(f"note: --sampler greedy draws nothing, so -n {settings.num_return} gives the same text again")


def with_form(
    prompts: Sequence[str], settings: Settings, checkpoint: Checkpoint, context: click.Context, streaming: bool
) -> Settings:
    """Settings with the form that a single first line of five or seven characters asks for, and a note that says so.

    Only for models that have learned verse by genre, so that others continue text as they always do.

    Args:
        prompts: those given one by one.
        settings: as the user gave them.
        checkpoint: the model.
        context: tells which options were named; `--form none` chooses nothing.
        streaming: the first text is shown as it comes, so there is no choosing among several.
    """
    marks = checkpoint.tokenizer.added_tokens
    if not {"[五绝]", "[七绝]"} <= marks.keys() or len(prompts) != 1:
        return settings
    if is_instruction(prompts[0]):
        say("note: this model continues verse and follows no instructions: try --title, --keywords or another --model")
    form = form_of_first_line(prompts[0], settings)
    if not form or context.params["form"] == "none" or context.params["prompts_file"] is not None:
        return settings
    named = context.get_parameter_source("best_of") is ParameterSource.COMMANDLINE
    best_of = settings.best_of if named or streaming else max(BEST_OF, settings.num_return)
    best = "" if best_of == 1 else f", the best of {best_of}"
    name = "五绝" if "5" in form or form == "五绝" else "七绝"
    say(f"note: a first line, so a {name} with its tones and a rhyme{best} (--form none continues freely)")
    return dataclasses.replace(settings, form=form, best_of=best_of)


def look_over(texts: Prompts, checkpoint: Checkpoint, settings: Settings, verbose: bool, model: str) -> int:
    """Looks at every prompt before a second is spent on the weights, and notes what the model does not know.

    Returns:
        How many prompts there are.

    Raises:
        RequestError: one does not fit; its place in the file is named.
    """
    context, total, longest = checkpoint.shape.max_sequence_length, 0, 0
    read, noticed = reader_of(checkpoint), Noticed(checkpoint.tokenizer)
    way_out = " (it has read classical verse alone; --model names another)" if model in MODELS else ""
    for place, text in texts.placed():
        try:
            (ready,) = prepare_prompts([text], checkpoint.tokenizer, context, settings, read)
        except RequestError as error:
            raise RequestError(f"{place}{error}") from None
        if not settings.as_typed and (replaced := noticed.replaced(text)):
            say(f"note: {place}the model does not know {' '.join(replaced)}, and reads {' '.join(replaced.values())}")
        for note in ready.plans.notes if ready.plans else ():
            say(f"note: {place}{note}")
        if unknown := noticed.unknown(ready.text):
            say(f"note: {place}the model does not know {' '.join(unknown)}, and reads [UNK]{way_out}")
        if verbose:
            say(f"the model reads {ready.mark + ready.text!r} ({len(ready.ids)} tokens, start token included)")
        total, longest = total + 1, max(longest, len(ready.ids) + ready.max_new_tokens)
    if outgrowing := note_of_length(longest, context):
        say(f"note: {outgrowing}")
    return total


def open_out(
    out: str | None, resume: bool, settings: Settings, asked: Mapping[str, Any], as_json: bool, texts: Prompts
) -> bulk.Part | bulk.Passed | None:
    """Where texts are written; None: they are printed.

    Raises:
        RequestError: there is something unfinished that this request does not go on with.
    """
    if out is None:
        return None
    request = bulk.request_of(settings, **asked, json=as_json, prompts=texts.digest())
    return bulk.open_part(Path(out), request, resume)


def write(
    lm: LanguageModel,
    texts: Prompts,
    total: int,
    settings: Settings,
    clock: Clock,
    part: bulk.Part | bulk.Passed | None,
    streaming: bool,
    as_json: bool,
) -> int | None:
    """Prints the texts, or writes them into a part; returns their seed."""
    if part is not None:
        return _write(lm, texts, total, settings, clock, part, as_json)
    if streaming:
        return _seed_of(_streamed(lm, texts, settings, clock))
    generations = generate(lm.decoder(settings), lm.prepare(texts, settings), clock)
    return _seed_of(_printed(generations, as_json))


def say_speed(settings: Settings, seed: int | None, clock: Clock) -> None:
    """Says the seed, where one was drawn, and the speed."""
    if settings.seed is None and settings.sampler not in ("greedy", "beam"):
        say(f"seed {seed}")
    say(
        f"{clock.new_tokens} new tokens in {clock.generating:.2f} s: {clock.rate():.1f} tokens/s "
        f"(start-up {clock.startup:.1f} s)"
    )


def _streamed(lm: LanguageModel, texts: Iterable[str], settings: Settings, clock: Clock) -> Iterator[Generation]:
    """The generations, each completion printed as it comes."""
    for prompt in lm.prepare(texts, settings):
        click.echo(prompt.text, nl=False)
        for piece in stream(lm.decoder(settings), prompt, clock):
            if isinstance(piece, str):
                click.echo(piece, nl=False)
            else:
                click.echo()
                yield piece


def _printed(generations: Iterable[Generation], as_json: bool) -> Iterator[Generation]:
    for generation in generations:
        click.echo(_line(generation, as_json), nl=False)
        yield generation


def _seed_of(generations: Iterable[Generation]) -> int | None:
    seed = None
    for generation in generations:
        seed = generation.seed
    return seed


def _write(
    lm: LanguageModel,
    texts: Prompts,
    total: int,
    settings: Settings,
    clock: Clock,
    part: bulk.Part | bulk.Passed,
    as_json: bool,
) -> int | None:
    from kgpt2.progress import writing  # here: a prompt or two need no bar, and rich takes its time

    if part.done:
        say(f"going on after {part.done:,} of {total:,} prompts")
    line_of = functools.partial(_line, as_json=as_json)
    try:
        with writing(total, part.done) as update:
            for done in bulk.write(lm, texts, settings, part, line_of, clock):
                update(done, clock.rate())
    except KeyboardInterrupt:
        if part.done:
            say(f"{part.done:,} of {total:,} prompts are done: the same command with --resume goes on from there")
        raise
    return part.seed


def _line(generation: Generation, as_json: bool) -> str:
    """A generation as it is printed or written."""
    if not as_json:
        return generation.text + "\n"
    values = dataclasses.asdict(generation)
    if values["logprobs"] is None:
        del values["logprobs"]
    return json.dumps(values, ensure_ascii=False) + "\n"
