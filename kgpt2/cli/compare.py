"""`kgpt2 compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, json_option
from kgpt2.cli.options import Listed, claim, one_of
from kgpt2.errors import RequestError, WorkError
from kgpt2.extras import require_installed

if TYPE_CHECKING:
    from kgpt2.bench.comparison import Asked
    from kgpt2.checkpoints.checkpoint import Checkpoint


@click.command("compare")
@click.argument("model", shell_complete=completing.models)
@click.option("--against", metavar="FOLDER", help="A folder of transformers with the same weights.  [default: MODEL's]")
@click.option(
    "--batch", type=Listed(int), default="1,8", show_default=True, help="Rows that generate writes at a time."
)
@click.option("--new-tokens", type=click.IntRange(min=1), default=64, show_default=True, help="Of each row.")
@click.option("--tasks", type=Listed(str), default="generate,fit", show_default=True, help="What to measure.")
@click.option("--runtime", default="auto", show_default=True, help="Of kgpt2's generate: openvino, keras, or auto.")
@click.option("--kerashub", is_flag=True, help="Measure KerasHub's own generate and fit as well; twice the time.")
@click.option("--parity-only", is_flag=True, help="No speed.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Warm calls of each row.")
@click.option("--plot", metavar="FILE", help="Draw the result (.png, .svg, .pdf).")
@click.option("--out", metavar="FILE", help="Write the JSON to a file as well.")
@json_option
@debug_option
def command(
    model: str,
    against: str | None,
    batch: list[int],
    new_tokens: int,
    tasks: list[str],
    runtime: str,
    kerashub: bool,
    parity_only: bool,
    rounds: int,
    plot: str | None,
    out: str | None,
    as_json: bool,
) -> None:
    """The same weights in kgpt2 and in PyTorch: first whether they compute the same, then how fast.

    Parity is of weights, logits, loss, greedy texts and one step of AdamW; where it fails the exit status is 1 and
    what differs is named. Speed is greedy generation and fine-tuning in interleaved rounds, each side in processes of
    its own; memory and start-up beside it.
    """
    from kgpt2.bench import comparison
    from kgpt2.checkpoints.names import read_model
    from kgpt2.cli.bench_report import comparison_table, measured, print_report
    from kgpt2.generation.language_model import RUNTIMES, choose_runtime

    one_of("--tasks", tasks, comparison.TASKS)
    one_of("--runtime", [runtime], RUNTIMES)
    if min(batch) < 1:
        raise RequestError(f"--batch: {min(batch)} will not do, it must be 1 or more")
    if plot:
        from kgpt2.bench import plots

        plots.require_format(plot)
    claim({"--out": out, "--plot": plot})
    require_installed("torch", "transformers")
    checkpoint, where = read_model(model), choose_runtime("float32", runtime)
    comparison.require_context(model, checkpoint)
    asked = comparison.Asked([] if parity_only else tasks, batch, new_tokens, where, kerashub, rounds)
    with measured(model) as report:
        failed = _compare(report, model, checkpoint, against, asked)
    if plot and report["rows"]:
        plots.draw_comparison(report, Path(plot))
    print_report(report, comparison_table, out, as_json)
    if failed:
        raise WorkError(failed)


def _compare(
    report: dict[str, Any], model: str, checkpoint: "Checkpoint", against: str | None, asked: "Asked"
) -> str | None:
    """Fills the report; returns what does not compute the same, which is not compared any further."""
    from kgpt2.bench import comparison
    from kgpt2.progress import ticking

    with (
        comparison.transformers_folder(checkpoint, against) as folder,
        ticking(comparison.steps(asked)) as tick,
    ):
        report["parity"] = comparison.find_parity(model, folder, tick)
        report["checks"] = comparison.judge(report["parity"])
        failed = comparison.explain(report["parity"], report["checks"])
        context = checkpoint.shape.max_sequence_length
        report["rows"] = [] if failed else comparison.measure(model, folder, context, asked, tick)
    return failed
