"""`kgpt2 compare`."""

import click

from kgpt2.cli.options import Listed, claim, debug_option, json_option, say, show


@click.command("compare")
@click.argument("model")
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
    model, against, batch, new_tokens, tasks, runtime, kerashub, parity_only, rounds, plot, out, as_json
) -> None:
    """The same weights in kgpt2 and in PyTorch: first whether they compute the same, then how fast.

    Parity is of weights, logits, loss, greedy texts and one step of AdamW; where it fails the exit status is 1 and
    what differs is named. Speed is greedy generation and fine-tuning in interleaved rounds, each side in processes of
    its own; memory and start-up beside it.
    """
    import json
    from pathlib import Path

    from kgpt2.bench import comparison
    from kgpt2.bench.environment import busy, environment
    from kgpt2.bench.noise import too_noisy
    from kgpt2.checkpoints.names import read_model
    from kgpt2.cli.bench_report import comparison_table
    from kgpt2.cli.progress import ticking
    from kgpt2.errors import RequestError, WorkError
    from kgpt2.generation.language_model import RUNTIMES, choose_runtime
    from kgpt2.writing import write_json

    for name, values, known in (("--tasks", tasks, comparison.TASKS), ("--runtime", [runtime], RUNTIMES)):
        for value in values:
            if value not in known:
                raise RequestError(f"{name}: {value!r} is not one of {', '.join(known)}")
    if min(batch) < 1:
        raise RequestError(f"--batch: {min(batch)} will not do, it must be 1 or more")
    if plot:
        from kgpt2.bench import plots

        plots.require_format(plot)
    claim({"--out": out, "--plot": plot})
    comparison.require_torch()
    checkpoint = read_model(model)
    context = checkpoint.shape.max_sequence_length
    if context <= comparison.PROMPT_TOKENS:
        raise RequestError(f"{model}: a context of {context} tokens is too short to compare anything")
    new_tokens = min(new_tokens, context - comparison.PROMPT_TOKENS)
    sides = [side for side in comparison.SIDES if kerashub or side != "kerashub"]
    tasks = [] if parity_only else tasks
    report, others = {"environment": environment(), "model": model}, busy()
    with (
        comparison.transformers_folder(checkpoint, against) as folder,
        ticking(comparison.steps(batch, tasks, sides, rounds)) as tick,
    ):
        report["parity"] = comparison.find_parity(model, folder, tick)
        report["checks"] = comparison.judge(report["parity"])
        failed = comparison.explain(report["parity"], report["checks"])
        width = min(comparison.FIT_WIDTH, context)
        # What does not compute the same is not compared any further.
        tasks = [] if failed else tasks
        where = choose_runtime("float32", runtime)
        report["rows"] = comparison.measure(model, folder, batch, new_tokens, width, tasks, sides, where, rounds, tick)
    rates = [row[side]["tokens_per_second"] for row in report["rows"] for side in sides]
    if rates and (noise := too_noisy(others, rates)):
        say(f"warning: {noise}")
    if out:
        write_json(Path(out), report)
    if plot and report["rows"]:
        plots.draw_comparison(report, Path(plot))
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        show(comparison_table(report))
    if failed:
        raise WorkError(failed)
