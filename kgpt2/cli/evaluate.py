"""`kgpt2 evaluate`."""

import click

from kgpt2.cli.options import debug_option, json_option, reading_options, runtime_options, say


@click.command("evaluate")
@click.argument("model")
@click.option(
    "--data", "spec", multiple=True, required=True, metavar="SPEC", help="A data SPEC; several files may be given."
)
@reading_options
@click.option(
    "--stride", type=int, metavar="N", help="Tokens that the window moves over long texts.  [half the context]"
)
@runtime_options
@json_option
@debug_option
def command(model, spec, path, text, prompt, unit, script, limit, stride, dtype, runtime, as_json) -> None:
    """How probable texts are to MODEL: loss, perplexity, bits per character and accuracy.

    Every token of a text and its end token count; the start token, prompts and padding do not.
    """
    import json

    from rich import progress
    from rich.console import Console

    from kgpt2.checkpoints.names import read_model
    from kgpt2.data.example import Report
    from kgpt2.data.sources import Options, open_source
    from kgpt2.evaluation.scoring import score
    from kgpt2.generation.language_model import choose_runtime, open_runtime

    choose_runtime(dtype, runtime)
    checkpoint = read_model(model)
    for note in checkpoint.notes:
        say(f"note: {note}")
    source = open_source(spec[0] if len(spec) == 1 else list(spec), Options(path, text, prompt, unit, script, limit))
    lm = open_runtime(checkpoint, dtype, runtime)
    read, console = Report(), Console(stderr=True)
    columns = [progress.BarColumn(), progress.TextColumn("{task.percentage:3.0f}%  {task.fields[shown]}")]
    columns += [progress.TimeElapsedColumn(), progress.TimeRemainingColumn()]
    with progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0, shown="")
        unknown_id = getattr(lm.tokenizer, "unknown_id", None)
        for likelihood in score(lm.runtime, lm.tokenizer, source.read(read), stride, unknown_id):
            report = likelihood.report()
            bar.update(task, completed=read.done, shown=f"perplexity {report['perplexity']:.2f}")
    for reason, count in read.dropped.items():
        say(f"{count:,} dropped: {reason}")
    if as_json:
        click.echo(json.dumps({"model": model, "data": source.spec, "dtype": dtype, **report}, ensure_ascii=False))
        return
    click.echo(
        f"loss {report['loss']:.4f}, perplexity {report['perplexity']:.2f}, "
        f"{report['bits_per_character']:.3f} bits per character, accuracy {report['accuracy']:.4f}\n"
        f"{report['tokens']:,} targets, {report['characters']:,} characters, {report['examples']:,} texts"
    )
    if report["unknown_fraction"]:
        click.echo(f"{report['unknown_fraction']:.2%} of the targets are unknown to the vocabulary")
