"""`kgpt2 generate`."""

import time
from typing import TYPE_CHECKING

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, json_option, say
from kgpt2.cli.help import Command
from kgpt2.cli.options import MODEL_OPTIONS, claim, model_options, read_noted, runtime_options, settings_options

if TYPE_CHECKING:
    from kgpt2.checkpoints.special_tokens import SpecialTokens
    from kgpt2.config.settings import Settings

HEADINGS = {
    "Prompt": ("prompts_file", "as_typed", "verbose"),
    "Sampling": (
        *("sampler", "k", "p", "min_p", "typical_p", "beams", "length_penalty", "early_stopping", "temperature"),
        *("repetition_penalty", "no_repeat_ngram", "max_new_tokens", "max_length", "min_new_tokens", "ban", "stop"),
        *("default_bans", "seed"),
    ),
    "Verse": ("form", "acrostic", "title", "keywords", "tones", "rhyme", "rhyme_words", "repeats", "best_of"),
    "Output": ("num_return", "script", "logprobs", "streaming", "out", "resume", "as_json"),
    "Model and runtime": ("model", *MODEL_OPTIONS, "dtype", "runtime", "batch_size"),
}


@click.command("generate", cls=Command, headings=HEADINGS)
@click.argument("prompt", nargs=-1)
@click.option(
    "--model",
    metavar="MODEL",
    shell_complete=completing.models,
    default="mini_zh",
    show_default=True,
    help="A name from `kgpt2 models`, hf://ORGANISATION/NAME, or a folder.",
)
@click.option("--prompts", "prompts_file", metavar="FILE", help="Prompts from a file, one a line; - is stdin.")
@settings_options
@model_options
@runtime_options
@click.option("--stream", "streaming", is_flag=True, help="Show the text as it comes, one prompt after the other.")
@click.option("--out", metavar="FILE", help="Write the result to a file, whole or not at all.")
@click.option("--resume", is_flag=True, help="Go on with an --out that was interrupted.")
@click.option("-v", "--verbose", is_flag=True, help="Show each prompt as the model reads it.")
@json_option
@debug_option
def command(
    prompt: tuple[str, ...],
    model: str,
    prompts_file: str | None,
    settings: "Settings",
    described: "tuple[SpecialTokens, str | None]",
    dtype: str,
    runtime: str,
    streaming: bool,
    out: str | None,
    resume: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Continue each PROMPT with a model.

    The texts go to stdout (with --json an object a line), the speed to stderr.
    """
    began = time.perf_counter()
    from kgpt2.cli import writing_texts
    from kgpt2.generation.bulk import RECORD
    from kgpt2.generation.generate import Clock
    from kgpt2.generation.language_model import choose_runtime, open_runtime
    from kgpt2.generation.prompts import Prompts

    texts = Prompts(prompt, prompts_file, settings.says_what_to_write)
    writing_texts.require_sense(settings, streaming, as_json, out, resume)
    context = click.get_current_context()
    writing_texts.say_unused(settings, context)
    claim({"--out": out}, [prompts_file], RECORD)
    choose_runtime(dtype, runtime)
    checkpoint = read_noted(model, described)
    settings = writing_texts.with_form(prompt, settings, checkpoint, context, streaming)
    total = writing_texts.look_over(texts, checkpoint, settings, verbose, model)
    asked = {"model": model, "dtype": dtype, "runtime": runtime, "base": described[1], **described[0].named()}
    part = writing_texts.open_out(out, resume, settings, asked, as_json, texts)
    if part is not None and resume and part.is_complete:
        say(f"{out}: is there, and nothing of it is left to do")
        return
    lm, clock = open_runtime(checkpoint, dtype, runtime), Clock()
    clock.startup = time.perf_counter() - began
    seed = writing_texts.write(lm, texts, total, settings, clock, part, streaming, as_json)
    writing_texts.say_speed(settings, seed, clock)
