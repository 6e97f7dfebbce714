"""`kgpt2 bench`."""

import click

from kgpt2.cli.options import Listed, claim, debug_option, json_option, say, show


@click.command("bench")
@click.argument("model")
@click.option("--batch", type=Listed(int), default="1,8", show_default=True, help="Rows computed at a time.")
@click.option(
    "--samplers", type=Listed(str), default="greedy,top_k,top_p", show_default=True, help="Also random, beam."
)
@click.option("--prompt-tokens", type=Listed(int), default="8", show_default=True, help="The start token included.")
@click.option("--new-tokens", type=Listed(int), help="Of each row.  [default: 128, or what the context leaves]")
@click.option("--dtype", type=Listed(str), default="float32", show_default=True, help="Also bfloat16, int8, int4.")
@click.option("--runtime", type=Listed(str), default="auto", show_default=True, help="openvino, keras, or auto.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Warm calls of each row.")
@click.option("--article", is_flag=True, help="The Keras tutorial's own measurement instead, taken apart.")
@click.option("--plot", metavar="FILE", help="Draw the result (.png, .svg, .pdf).")
@click.option("--out", metavar="FILE", help="Write the JSON to a file as well.")
@json_option
@debug_option
def command(
    model, batch, samplers, prompt_tokens, new_tokens, dtype, runtime, rounds, article, plot, out, as_json
) -> None:
    """How fast MODEL writes: tokens per second by sampler, batch, length, dtype and runtime.

    Batch, samplers, lengths, dtype and runtime take several values, separated by commas. Rounds are interleaved;
    start-up and compiling are counted apart. --article repeats how the Keras tutorial got 8.77 and 22 tokens/s, and
    shows what they consist of.
    """
    import json
    from pathlib import Path

    from kgpt2.bench.environment import busy, environment
    from kgpt2.bench.noise import too_noisy
    from kgpt2.bench.throughput import measure, steps
    from kgpt2.checkpoints.names import read_model
    from kgpt2.cli.bench_report import article_table, throughput_table
    from kgpt2.cli.progress import ticking
    from kgpt2.errors import RequestError
    from kgpt2.generation.language_model import DTYPES, RUNTIMES, choose_runtime
    from kgpt2.generation.settings import SAMPLERS
    from kgpt2.writing import write_json

    for name, values, known in (
        ("--samplers", samplers, SAMPLERS),
        ("--dtype", dtype, DTYPES),
        ("--runtime", runtime, RUNTIMES),
    ):
        for value in values:
            if value not in known:
                raise RequestError(f"{name}: {value!r} is not one of {', '.join(known)}")
    if plot:
        from kgpt2.bench import plots

        plots.require_format(plot)
    claim({"--out": out, "--plot": plot})
    checkpoint = read_model(model)
    report, others = {"environment": environment(), "model": model}, busy()
    if article:
        from kgpt2.bench.article import STEPS, take_apart

        with ticking(STEPS) as tick:
            found, report["environment"]["device"] = take_apart(model, checkpoint, tick)
        report |= found
        shown = article_table
    else:
        cases = _cases(checkpoint.shape.max_sequence_length, batch, samplers, prompt_tokens, new_tokens)
        routes = [(one, choose_runtime(one, where)) for one in dtype for where in runtime]
        with ticking(steps(cases, routes, rounds)) as tick:
            report["rows"], report["environment"]["device"] = measure(model, cases, routes, rounds, tick)
        shown = throughput_table
    if noise := too_noisy(others, [row["tokens_per_second"] for row in report["rows"]]):
        say(f"warning: {noise}")
    if out:
        write_json(Path(out), report)
    if plot:
        draw = plots.draw_article if article else plots.draw_throughput
        draw(report, Path(plot))
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        show(shown(report))


def _cases(context, batch, samplers, prompt_tokens, new_tokens):
    """Every combination, the longest lengths checked first."""
    import itertools

    from kgpt2.bench.throughput import Case
    from kgpt2.errors import RequestError

    for name, values in (("--batch", batch), ("--prompt-tokens", prompt_tokens), ("--new-tokens", new_tokens or [1])):
        if min(values) < 1:
            raise RequestError(f"{name}: {min(values)} will not do, it must be 1 or more")
    most = max(prompt_tokens)
    if most >= context or (new_tokens and most + max(new_tokens) > context):
        asked = f"{most} prompt tokens and {max(new_tokens or [1])} new ones"
        raise RequestError(f"{asked} do not fit the context of {context}: lower --prompt-tokens or --new-tokens")
    lengths = new_tokens or [min(128, context - most)]
    return [Case(*values) for values in itertools.product(samplers, batch, prompt_tokens, lengths)]
