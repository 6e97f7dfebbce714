"""`kgpt2 bench`."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, json_option
from kgpt2.cli.options import Listed, claim, one_of
from kgpt2.config.settings import FIELDS
from kgpt2.errors import RequestError

if TYPE_CHECKING:
    from kgpt2.bench.throughput import Case
    from kgpt2.checkpoints.checkpoint import Checkpoint


@click.command("bench")
@click.argument("model", shell_complete=completing.models)
@click.option("--batch", type=Listed(int), default="1,8", show_default=True, help="Rows computed at a time.")
@click.option(
    "--samplers", type=Listed(str), default="greedy,top_k,top_p", show_default=True, help="Also random, beam."
)
@click.option("--prompt-tokens", type=Listed(int), default="8", show_default=True, help="The start token included.")
@click.option("--new-tokens", type=Listed(int), help="Of each row.  [default: 128, or what the context leaves]")
@click.option("--dtype", type=Listed(str), default="float32", show_default=True, help="Or bfloat16, int8, int4, auto.")
@click.option("--runtime", type=Listed(str), default="auto", show_default=True, help="openvino, keras, or auto.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Warm calls of each row.")
@click.option("--article", is_flag=True, help="The Keras tutorial's own measurement instead, taken apart.")
@click.option("--plot", metavar="FILE", help="Draw the result (.png, .svg, .pdf).")
@click.option("--out", metavar="FILE", help="Write the JSON to a file as well.")
@json_option
@debug_option
def command(
    model: str,
    batch: list[int],
    samplers: list[str],
    prompt_tokens: list[int],
    new_tokens: list[int] | None,
    dtype: list[str],
    runtime: list[str],
    rounds: int,
    article: bool,
    plot: str | None,
    out: str | None,
    as_json: bool,
) -> None:
    """How fast MODEL writes: tokens per second by sampler, batch, length, dtype and runtime.

    Batch, samplers, lengths, dtype and runtime take several values, separated by commas. Rounds are interleaved;
    start-up and compiling are counted apart. --article repeats how the Keras tutorial got 8.77 and 22 tokens/s, and
    shows what they consist of.
    """
    from kgpt2.checkpoints.names import read_model
    from kgpt2.cli.bench_report import article_table, measured, print_report, throughput_table

    _require_known(samplers, dtype, runtime)
    if plot:
        from kgpt2.bench import plots

        plots.require_format(plot)
    claim({"--out": out, "--plot": plot})
    checkpoint = read_model(model)
    with measured(model) as report:
        if article:
            _take_apart(report, model, checkpoint)
        else:
            cases = _cases(checkpoint.shape.max_sequence_length, batch, samplers, prompt_tokens, new_tokens)
            _measure(report, model, cases, dtype, runtime, rounds)
    if plot:
        (plots.draw_article if article else plots.draw_throughput)(report, Path(plot))
    print_report(report, article_table if article else throughput_table, out, as_json)


def _require_known(samplers: list[str], dtypes: list[str], runtimes: list[str]) -> None:
    from kgpt2.generation.language_model import DTYPES, RUNTIMES

    one_of("--samplers", samplers, get_args(FIELDS["sampler"].kind))
    one_of("--dtype", dtypes, DTYPES)
    one_of("--runtime", runtimes, RUNTIMES)


def _take_apart(report: dict[str, Any], model: str, checkpoint: "Checkpoint") -> None:
    from kgpt2.bench.article import STEPS, take_apart
    from kgpt2.progress import ticking

    with ticking(STEPS) as tick:
        found, report["environment"]["device"] = take_apart(model, checkpoint, tick)
    report |= found


def _measure(
    report: dict[str, Any], model: str, cases: "list[Case]", dtypes: list[str], runtimes: list[str], rounds: int
) -> None:
    from kgpt2.bench.throughput import measure, steps
    from kgpt2.generation.language_model import choose_runtime
    from kgpt2.progress import ticking

    routes = [(dtype, choose_runtime(dtype, runtime)) for dtype in dtypes for runtime in runtimes]
    with ticking(steps(cases, routes, rounds)) as tick:
        report["rows"], report["environment"]["device"] = measure(model, cases, routes, rounds, tick)


def _cases(
    context: int, batch: list[int], samplers: list[str], prompt_tokens: list[int], new_tokens: list[int] | None
) -> "list[Case]":
    """Every combination, the longest lengths checked first."""
    from kgpt2.bench.throughput import Case

    for name, values in (("--batch", batch), ("--prompt-tokens", prompt_tokens), ("--new-tokens", new_tokens or [1])):
        if min(values) < 1:
            raise RequestError(f"{name}: {min(values)} will not do, it must be 1 or more")
    most = max(prompt_tokens)
    if most >= context or (new_tokens and most + max(new_tokens) > context):
        asked = f"{most} prompt tokens and {max(new_tokens or [1])} new ones"
        raise RequestError(f"{asked} do not fit the context of {context}: lower --prompt-tokens or --new-tokens")
    lengths = new_tokens or [min(128, context - most)]
    return [Case(*values) for values in itertools.product(samplers, batch, prompt_tokens, lengths)]
