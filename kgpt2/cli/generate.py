"""`kgpt2 generate`."""

import time

import click

from kgpt2.cli.options import (
    as_typed_option,
    claim,
    debug_option,
    json_option,
    model_options,
    runtime_options,
    say,
)
from kgpt2.generation import decoder


@click.command("generate")
@click.argument("prompt", nargs=-1)
@click.option(
    "--model",
    metavar="MODEL",
    default="mini_zh",
    show_default=True,
    help="A name from `kgpt2 models`, hf://ORGANISATION/NAME, or a folder.",
)
@click.option("--prompts", "prompts_file", metavar="FILE", help="Prompts from a file, one a line; - is stdin.")
@click.option("--sampler", default="top_p", show_default=True, help="greedy, top_k, top_p, random or beam.")
@click.option("--k", type=int, default=50, show_default=True, help="How many of the likeliest tokens stay; 0: all.")
@click.option("--p", type=float, default=0.95, show_default=True, help="Share of the probability that stays (top_p).")
@click.option("--min-p", type=float, help="Tokens stay that are at least this many times as likely as the best.")
@click.option("--typical-p", type=float, help="Share of the probability that stays, the least surprising first.")
@click.option("--beams", type=int, default=4, show_default=True, help="Texts that a beam search follows.")
@click.option("--length-penalty", type=float, default=1.0, show_default=True, help="Beams: above 0 favours long texts.")
@click.option("--early-stopping", is_flag=True, help="Beams: the first that end will do.")
@click.option("--temperature", type=float, default=1.0, show_default=True, help="Below 1 safer, above 1 bolder.")
@click.option("--repetition-penalty", type=float, default=1.0, show_default=True, help="Above 1: fewer repeats.")
@click.option(
    "--no-repeat-ngram", type=int, default=0, show_default=True, help="No run of N tokens comes twice; 0: off."
)
@click.option("--max-new-tokens", type=int, help="How many tokens may follow.  [default: 128, or what fits]")
@click.option("--max-length", type=int, help="The same limit with start token and prompt included.")
@click.option("--min-new-tokens", type=int, default=0, show_default=True, help="The end may not come before so many.")
@click.option("--ban", multiple=True, metavar="TEXT", help="A text that may not come; may be given several times.")
@click.option("--stop", multiple=True, metavar="TEXT", help="A text that ends the completion, and is left out of it.")
@click.option("--form", default="", help="五绝, 七绝, 五律, 七律, 对联, or a pattern such as 7，7。7，7。")
@click.option("--acrostic", default="", metavar="TEXT", help="What the lines begin with, a character a line.")
@click.option("--tones", default="off", show_default=True, help="Level and oblique tones: off, loose or strict.")
@click.option("--rhyme", default="off", show_default=True, help="off, pingshui (classical) or modern.")
@click.option("--script", help="Characters of the result: simplified or traditional.  [default: as the model writes]")
@click.option("-n", "--num-return", type=int, default=1, show_default=True, help="Continuations of each prompt.")
@click.option("--seed", type=int, help="The same seed gives the same text.  [default: drawn, and reported]")
@click.option("--batch-size", type=int, default=32, show_default=True, help="Texts computed at a time.")
@click.option("--no-default-bans", is_flag=True, help="Allow special, [unused] and ## tokens of a BERT vocabulary.")
@model_options
@as_typed_option
@runtime_options
@click.option("--stream", "streaming", is_flag=True, help="Show the text as it comes, one prompt after the other.")
@click.option("--logprobs", is_flag=True, help="With --json: the log-probability of each new token under the model.")
@click.option("--out", metavar="FILE", help="Write the result to a file, whole or not at all.")
@click.option("--resume", is_flag=True, help="Go on with an --out that was interrupted.")
@click.option("-v", "--verbose", is_flag=True, help="Show each prompt as the model reads it.")
@json_option
@debug_option
def command(
    prompt,
    model,
    prompts_file,
    start_token,
    end_token,
    newline_token,
    base,
    dtype,
    runtime,
    no_default_bans,
    streaming,
    out,
    resume,
    verbose,
    as_json,
    ban,
    stop,
    **options,
) -> None:
    """Continue each PROMPT with a model.

    The texts go to stdout (with --json an object a line), the speed to stderr.
    """
    began = time.perf_counter()
    from pathlib import Path

    from kgpt2.assets import MODELS
    from kgpt2.checkpoints.names import read_model
    from kgpt2.checkpoints.special_tokens import SpecialTokens
    from kgpt2.data.reading import Noticed
    from kgpt2.errors import RequestError
    from kgpt2.generation import bulk
    from kgpt2.generation.language_model import choose_runtime, open_runtime
    from kgpt2.generation.prompts import Prompts, reader_of
    from kgpt2.generation.settings import Settings

    settings = Settings(default_bans=not no_default_bans, ban=ban, stop=stop, **options)
    if not prompt and prompts_file is None and (settings.form or settings.acrostic):
        prompt = ("",)  # a form needs no beginning
    texts = Prompts(prompt, prompts_file)
    many = as_json or out is not None or settings.num_return > 1
    if streaming and (many or settings.script or settings.sampler == "beam"):
        raise RequestError(
            "--stream: shows one text after the other as it comes; "
            "not with --json, --out, -n, --script or --sampler beam"
        )
    if settings.logprobs and not as_json:
        raise RequestError("--logprobs: shown with --json alone")
    if resume and out is None:
        raise RequestError("--resume: needs the --out FILE that it goes on with")
    claim({"--out": out}, [prompts_file], bulk.RECORD)
    choose_runtime(dtype, runtime)
    tokens = SpecialTokens(start_token, end_token, newline_token)
    checkpoint = read_model(model, tokens, base)
    for note in checkpoint.notes:
        say(f"note: {note}")
    # Prompts are looked at before a second is spent on the weights.
    context, total, longest = checkpoint.shape.max_sequence_length, 0, 0
    read, noticed = reader_of(checkpoint), Noticed(checkpoint.tokenizer)
    way_out = " (it has read classical verse alone; --model names another)" if model in MODELS else ""
    for place, text in texts.placed():
        try:
            (ready,) = decoder.prepare_prompts([text], checkpoint.tokenizer, context, settings, read)
        except RequestError as error:
            raise RequestError(f"{place}{error}") from None
        if not settings.as_typed and (replaced := noticed.replaced(text)):
            say(f"note: {place}the model does not know {' '.join(replaced)}, and reads {' '.join(replaced.values())}")
        if unknown := noticed.unknown(ready.text):
            say(f"note: {place}the model does not know {' '.join(unknown)}, and reads [UNK]{way_out}")
        if verbose:
            say(f"the model reads {ready.mark + ready.text!r} ({len(ready.ids)} tokens, start token included)")
        total, longest = total + 1, max(longest, len(ready.ids) + ready.max_new_tokens)
    if longest > context:
        say(f"note: {longest} tokens do not fit the context of {context}: the model then sees the last part of a text")
    if out is not None:
        asked = {"model": model, "dtype": dtype, "runtime": runtime, "base": base, **tokens.named()}
        request = bulk.request_of(settings, **asked, json=as_json, prompts=texts.digest())
        part = bulk.open_part(Path(out), request, resume)
        if resume and part.is_complete:
            say(f"{out}: is there, and nothing of it is left to do")
            return

    lm = open_runtime(checkpoint, dtype, runtime)
    clock = decoder.Clock(startup=time.perf_counter() - began)
    if out is not None:
        seed = _write(lm, texts, total, settings, part, as_json, clock)
    else:
        generations = _stream(lm, texts, settings, clock) if streaming else _each(lm, texts, settings, clock)
        seed = _print(generations, as_json, silent=streaming)
    if settings.seed is None and settings.sampler not in ("greedy", "beam"):
        say(f"seed {seed}")
    rate = clock.new_tokens / clock.generating if clock.generating else 0.0
    say(
        f"{clock.new_tokens} new tokens in {clock.generating:.2f} s: {rate:.1f} tokens/s "
        f"(start-up {clock.startup:.1f} s)"
    )


def _each(lm, texts, settings, clock):
    """The generations of all prompts."""
    from kgpt2.generation.decoder import generate

    return generate(lm.runtime, lm.tokenizer, lm.prepare(list(texts), settings), settings, clock)


def _stream(lm, texts, settings, clock):
    """Prints each completion as it comes, and yields the generations."""
    from kgpt2.generation.decoder import stream

    for prompt in lm.prepare(list(texts), settings):
        click.echo(prompt.text, nl=False)
        for piece in stream(lm.runtime, lm.tokenizer, prompt, settings, clock):
            if isinstance(piece, str):
                click.echo(piece, nl=False)
            else:
                click.echo()
                yield piece


def _print(generations, as_json, silent) -> int | None:
    """Prints the generations; returns their seed."""
    seed = None
    for generation in generations:
        if not silent:
            click.echo(_line(generation, as_json), nl=False)
        seed = generation.seed
    return seed


def _write(lm, texts, total, settings, part, as_json, clock) -> int | None:
    """Writes the generations to a file, and shows how far it is; returns their seed."""
    import functools

    from rich import progress
    from rich.console import Console

    from kgpt2.generation import bulk

    console = Console(stderr=True)
    columns = [progress.BarColumn(), progress.MofNCompleteColumn()]
    columns += [progress.TextColumn("prompts  {task.fields[rate]} tokens/s")]
    columns += [progress.TimeElapsedColumn(), progress.TimeRemainingColumn()]
    if part.done:
        say(f"going on after {part.done:,} of {total:,} prompts")
    try:
        with progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=total, completed=part.done, rate="-")
            for done in bulk.write(lm, texts, settings, part, functools.partial(_line, as_json=as_json), clock):
                rate = f"{clock.new_tokens / clock.generating:,.0f}" if clock.generating else "-"
                bar.update(task, advance=done, rate=rate)
    except KeyboardInterrupt:
        if part.done:
            say(f"{part.done:,} of {total:,} prompts are done: the same command with --resume goes on from there")
        raise
    return part.seed


def _line(generation, as_json: bool) -> str:
    """A generation as it is printed or written."""
    import dataclasses
    import json

    if not as_json:
        return generation.text + "\n"
    values = dataclasses.asdict(generation)
    if values["logprobs"] is None:
        del values["logprobs"]
    return json.dumps(values, ensure_ascii=False) + "\n"
