"""`kgpt2 evaluate`."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, json_option, show
from kgpt2.cli.help import Command
from kgpt2.cli.options import (
    MODEL_OPTIONS,
    READING_OPTIONS,
    as_typed_option,
    claim,
    model_options,
    read_noted,
    reading_options,
    runtime_options,
)
from kgpt2.config.settings import FIELDS, Settings
from kgpt2.errors import RequestError

if TYPE_CHECKING:
    from kgpt2.checkpoints.special_tokens import SpecialTokens
    from kgpt2.cli.scoring_texts import Written
    from kgpt2.data.sources import Options

HEADINGS = {
    "Texts": ("spec", *READING_OPTIONS, "as_typed", "stride"),
    "What models write": ("generating", "prompt_characters", "sampler", "temperature", "seed", "learned", "bert"),
    "What people say": ("blind", "beside", "sheets", "key"),
    "Output": ("out", "as_json"),
    "Model and runtime": (*MODEL_OPTIONS, "dtype", "runtime"),
}


@click.command("evaluate", cls=Command, headings=HEADINGS)
@click.argument("models", nargs=-1, metavar="MODEL...", shell_complete=completing.models)
@click.option("--data", "spec", multiple=True, metavar="SPEC", help="A data SPEC; several files may be given.")
@reading_options
@as_typed_option
@click.option(
    "--stride", type=int, metavar="N", help="Tokens that the window moves over long texts.  [half the context]"
)
@click.option("--generate", "generating", is_flag=True, help="Also write after the texts' beginnings, and score that.")
@click.option("--prompt-characters", type=click.IntRange(min=0), metavar="N", help="The beginning.  [default: half]")
@click.option(
    "--sampler",
    shell_complete=completing.one_of(get_args(FIELDS["sampler"].kind)),
    default="top_p",
    show_default=True,
    help="With --generate, as in kgpt2 generate.",
)
@click.option("--temperature", type=float, default=1.0, show_default=True, help="With --generate.")
@click.option("--seed", type=int, default=0, show_default=True, help="With --generate, --blind and --score.")
@click.option("--train", "learned", metavar="SPEC", help="With --generate: what was learned, to look for copies.")
@click.option("--bert-score", "bert", metavar="FOLDER", help="With --generate: a BERT on disk, for BERTScore.")
@click.option("--out", metavar="FILE", help="Write a Markdown report; .jsonl: every text, beside its reference.")
@click.option("--blind", metavar="FILE", help="With --generate: a sheet (.csv, .tsv) for people to rate, and its key.")
@click.option("--beside", multiple=True, metavar="NAME=FILE", help="With --blind: ready texts of another source.")
@click.option("--score", "sheets", multiple=True, metavar="FILE", help="What filled sheets say, one a rater.")
@click.option("--key", metavar="FILE", help="With --score.  [default: beside the first sheet]")
@model_options
@runtime_options
@json_option
@debug_option
def command(
    models: tuple[str, ...],
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
    blind: str | None,
    beside: tuple[str, ...],
    sheets: tuple[str, ...],
    key: str | None,
    as_json: bool,
    **how: Any,
) -> None:
    """How probable texts are to each MODEL: loss, perplexity, bits per character and accuracy.

    Every token of a text and its end token count; the start token, prompts and padding do not. With --generate the
    model goes on from each text's beginning, and what it writes is compared with the text, with itself and with what
    was learned. With --blind people compare: they get one sheet of what the models and the texts' authors wrote.
    """
    from kgpt2.cli import judging, scoring_texts
    from kgpt2.cli.evaluation_report import json_lines, markdown, table
    from kgpt2.data.sources import open_source
    from kgpt2.generation.language_model import choose_runtime, open_runtime
    from kgpt2.writing import write_text

    settings = Settings(**how, as_typed=as_typed)
    _require_sense(models, spec, generating, out, blind, beside, sheets, key)
    if sheets:
        judging.score_sheets(sheets, key, reading.encoding, settings.seed or 0, as_json)
        return
    judging.require_new_sheet(blind)
    read = [*spec, learned, *(one.partition("=")[2] for one in beside)]
    claim({"--out": out, **judging.files_of(blind)}, read)
    choose_runtime(dtype, runtime)
    checkpoints = {model: read_noted(model, described) for model in models}
    source = open_source(spec[0] if len(spec) == 1 else list(spec), reading)
    copied = open_source(learned, dataclasses.replace(reading, limit=None)) if learned else None
    given = judging.beginnings(source, prompt_characters) if blind else None
    ready = judging.read_beside(beside, given or [], models)
    asked = scoring_texts.Asked(source, stride, settings, generating, given, prompt_characters, copied, bert)
    reports: list[dict[str, Any]] = []
    written: dict[str, Written] = {}
    for model, checkpoint in checkpoints.items():
        lm = open_runtime(checkpoint, dtype, runtime)
        found, written[model] = scoring_texts.measure(lm, asked)
        reports.append({"model": model, "data": source.spec, "dtype": dtype, **found})
    if blind and given:
        tokenizers = [] if as_typed else [checkpoint.tokenizer for checkpoint in checkpoints.values()]
        judging.write_blind(blind, given, written, ready, tokenizers, source.spec, settings.seed or 0)
    if out is not None:
        shown = json_lines if out.endswith(".jsonl") else markdown
        write_text(Path(out), "".join(shown(report, written[report["model"]]) for report in reports))
    if as_json:
        for report in reports:
            click.echo(json.dumps(report, ensure_ascii=False))
    elif reports:
        show(table(reports))


def _require_sense(
    models: Sequence[str],
    spec: Sequence[str],
    generating: bool,
    out: str | None,
    blind: str | None,
    beside: Sequence[str],
    sheets: Sequence[str],
    key: str | None,
) -> None:
    """Refuses what is missing and what excludes each other.

    Raises:
        RequestError: naming it.
    """
    if sheets and (models or spec or generating or out or blind or beside):
        raise RequestError(
            "--score: reads filled sheets alone; not with MODEL, --data, --generate, --out, --blind or --beside"
        )
    if key and not sheets:
        raise RequestError("--key: belongs to --score FILE, the filled sheets")
    if sheets:
        return
    if not spec:
        raise RequestError("--data SPEC: the texts are missing; `kgpt2 data list` tells what there is")
    if beside and not blind:
        raise RequestError("--beside: needs --blind FILE, the sheet that the texts come on")
    if blind and not generating:
        raise RequestError("--blind: needs --generate, so that the models write what people rate")
    if not models and not beside:
        raise RequestError("MODEL: none is named; `kgpt2 models` lists some")
    if len(set(models)) < len(models):
        raise RequestError("MODEL: one is named twice; texts of other settings come by --beside NAME=FILE")
