"""`kgpt2 data`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, json_option, say
from kgpt2.cli.console import show as show_parts
from kgpt2.cli.help import Group
from kgpt2.cli.options import as_typed_option, reading_options, say_counts
from kgpt2.language import told

if TYPE_CHECKING:
    from kgpt2.data.sources import Options
    from kgpt2.data.token_cache import Tokenised

model_option = click.option(
    "--model",
    metavar="MODEL",
    shell_complete=completing.models,
    help="Whose tokens.  [default: the characters of the texts]",
)


@click.group("data", cls=Group)
@debug_option
def command() -> None:
    """Where text comes from: list the sources, look into one, make one ready."""


@command.command("list")
@json_option
@debug_option
def list_sources(as_json: bool) -> None:
    """List the named data sources; a file, a pattern or a list of files is a source too."""
    from kgpt2.data.poetry.shelves import PARTS
    from kgpt2.data.sources import NAMES

    described = {name: text.partition(": ") for name, text in NAMES.items()}
    if as_json:
        sources = [
            {"name": name, "description": description, "specs": specs}
            for name, (specs, _, description) in described.items()
        ]
        click.echo(json.dumps({"sources": sources, "chinese_poetry": list(PARTS)}, ensure_ascii=False))
        return
    for specs, _, description in described.values():
        show_parts(specs, f"    {told(description)}")
    endings = (
        f"chinese_poetry has {', '.join(PARTS)}",
        "Datasets of the Hugging Face hub: hf://datasets/ORGANISATION/NAME[:SPLIT].",
        "A SPEC may end in :train, :validation or :test. "
        "Files are .txt, .csv, .tsv, .jsonl or .json, also with .gz, and .parquet.",
    )
    show_parts(*map(told, endings))


@command.command("show")
@click.argument("spec", nargs=-1, required=True)
@reading_options
@as_typed_option
@model_option
@click.option("--examples", type=click.IntRange(0, 20), default=5, show_default=True, help="How many to show.")
@json_option
@debug_option
def show(
    spec: tuple[str, ...], model: str | None, examples: int, as_typed: bool, as_json: bool, reading: "Options"
) -> None:
    """Look into SPEC: examples, how long they are in tokens, what was dropped and cleaned. Bad rows are counted."""
    from kgpt2.data.account import account, histogram

    tokenised = _tokenised(spec, model, as_typed, reading)
    report, shown = account(tokenised), tokenised.examples[:examples]
    if as_json:
        report = {"source": report["source"], "examples": shown, **report}
        click.echo(json.dumps(report, ensure_ascii=False))
        return
    counts = map(told, _counts(report))
    show_parts(*shown, "", *map(told, _summary(report)), *histogram(tokenised.table.lengths), *counts)
    for problem in tokenised.problems:
        say(problem)


@command.command("prepare")
@click.argument("spec", nargs=-1, required=True)
@reading_options
@as_typed_option
@model_option
@click.option(
    "--from", "rows", metavar="FILE", help="reddit_tifu: write a TFDS directory from these JSON lines (to --path)."
)
@json_option
@debug_option
def prepare(
    spec: tuple[str, ...],
    model: str | None,
    rows: str | None,
    as_typed: bool,
    as_json: bool,
    reading: "Options",
) -> None:
    """Make SPEC ready: read, clean and tokenise it now, so that fit finds it in the cache."""
    if rows is not None:
        _prepare_tifu(spec, Path(rows), reading.path, as_json)
        return
    from kgpt2.data.account import account

    tokenised = _tokenised(spec, model, as_typed, reading, must_keep=True)
    if as_json:
        click.echo(json.dumps(account(tokenised), ensure_ascii=False))
    say(f"{tokenised.spec}: {len(tokenised.table):,} examples, {len(tokenised.table.ids):,} tokens, ready")
    say_counts(tokenised)


def _summary(report: Mapping[str, Any]) -> list[str]:
    lengths = report["tokens"]
    return [
        f"{report['count']:,} examples; tokens, start and end included: mean {lengths['mean']:.1f}, "
        f"half up to {lengths['p50']}, 95 % up to {lengths['p95']}, the longest {lengths['max']}"
    ]


def _counts(report: Mapping[str, Any]) -> list[str]:
    unknown = report["unknown_fraction"]
    return [f"{unknown:.2%} of the tokens are unknown to the vocabulary"] * bool(unknown) + [
        f"{count:,} {verb}: {reason}" for verb in ("dropped", "cleaned") for reason, count in report[verb].items()
    ]


def _tokenised(
    spec: tuple[str, ...], model: str | None, as_typed: bool, reading: "Options", must_keep: bool = False
) -> "Tokenised":
    """The source in tokens."""
    from kgpt2.checkpoints.names import read_model
    from kgpt2.data.sources import open_source
    from kgpt2.data.token_cache import counted_tokenizer, tokenise
    from kgpt2.progress import reading as shown

    source = open_source(spec[0] if len(spec) == 1 else list(spec), reading)
    with shown() as progress:
        tokenizer = read_model(model).tokenizer if model else counted_tokenizer([source])
        return tokenise(source, tokenizer, strict=False, as_typed=as_typed, progress=progress, must_keep=must_keep)


def _prepare_tifu(spec: tuple[str, ...], rows: Path, path: str | None, as_json: bool) -> None:
    from kgpt2.data.example import Report
    from kgpt2.data.tifu.prepared import NAME, default_data_dir, prepare_tfds
    from kgpt2.errors import RequestError
    from kgpt2.files import user_path

    name, _, part = spec[0].partition("/")
    if len(spec) > 1 or name != NAME:
        raise RequestError(f"--from: is for {NAME} (and {NAME}/long), not for {' '.join(spec)}")
    data_dir, report = user_path(path) if path else default_data_dir(), Report()
    folder = prepare_tfds(rows, data_dir, part or "short", report)
    if as_json:
        click.echo(json.dumps({"source": spec[0], "folder": str(folder), "dropped": dict(report.dropped)}))
    say_counts(report)
    say(f"{folder}: ready; tfds.load({spec[0]!r}, split='train', data_dir={str(data_dir)!r}) finds it")
