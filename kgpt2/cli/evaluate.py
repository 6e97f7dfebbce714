"""`kgpt2 evaluate`."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt2.cli.console import debug_option, json_option, show
from kgpt2.cli.options import as_typed_option, claim, model_options, read_noted, reading_options, runtime_options
from kgpt2.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kgpt2.checkpoints.special_tokens import SpecialTokens
    from kgpt2.data.sources import Options
    from kgpt2.generation.rows import Generation


@click.command("evaluate")
@click.argument("model")
@click.option(
    "--data", "spec", multiple=True, required=True, metavar="SPEC", help="A data SPEC; several files may be given."
)
@reading_options
@as_typed_option
@click.option(
    "--stride", type=int, metavar="N", help="Tokens that the window moves over long texts.  [half the context]"
)
@click.option("--generate", "generating", is_flag=True, help="Also write after the texts' beginnings, and score that.")
@click.option("--prompt-characters", type=click.IntRange(min=0), metavar="N", help="The beginning.  [default: half]")
@click.option("--sampler", default="top_p", show_default=True, help="With --generate, as in kgpt2 generate.")
@click.option("--temperature", type=float, default=1.0, show_default=True, help="With --generate.")
@click.option("--seed", type=int, default=0, show_default=True, help="With --generate.")
@click.option("--train", "learned", metavar="SPEC", help="With --generate: what was learned, to look for copies.")
@click.option("--bert-score", "bert", metavar="FOLDER", help="With --generate: a BERT on disk, for BERTScore.")
@click.option("--out", metavar="FILE", help="Write a Markdown report to a file.")
@model_options
@runtime_options
@json_option
@debug_option
def command(
    model: str,
    spec: tuple[str, ...],
    reading: "Options",
    as_typed: bool,
    stride: int | None,
    described: "tuple[SpecialTokens, str | None]",
    dtype: str,
    runtime: str,
    generating: bool,
    prompt_characters: int | None,
    learned: str | None,
    bert: str | None,
    out: str | None,
    as_json: bool,
    **how: Any,
) -> None:
    """How probable texts are to MODEL: loss, perplexity, bits per character and accuracy.

    Every token of a text and its end token count; the start token, prompts and padding do not. With --generate the
    model goes on from each text's beginning, and what it writes is compared with the text, with itself and with what
    was learned.
    """
    from kgpt2.cli import scoring_texts
    from kgpt2.cli.evaluation_report import markdown, table
    from kgpt2.data.sources import open_source
    from kgpt2.generation.language_model import choose_runtime, open_runtime
    from kgpt2.writing import write_text

    settings = Settings(**how, as_typed=as_typed)
    claim({"--out": out}, [*spec, learned])
    choose_runtime(dtype, runtime)
    checkpoint = read_noted(model, described)
    source = open_source(spec[0] if len(spec) == 1 else list(spec), reading)
    copied = open_source(learned, dataclasses.replace(reading, limit=None)) if learned else None
    lm = open_runtime(checkpoint, dtype, runtime)
    report = {"model": model, "data": source.spec, "dtype": dtype, **scoring_texts.score(lm, source, stride, as_typed)}
    written: Sequence[Generation] = ()
    if generating:
        report["generation"], written = scoring_texts.write(lm, source, copied, prompt_characters, settings, bert)
    if out is not None:
        write_text(Path(out), markdown(report, written))
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        show(table(report))
