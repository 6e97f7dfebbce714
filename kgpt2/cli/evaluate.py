"""`kgpt2 evaluate`."""

import click

from kgpt2.cli.options import (
    as_typed_option,
    claim,
    debug_option,
    json_option,
    model_options,
    reading_options,
    runtime_options,
    say,
    show,
)


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
    model,
    spec,
    path,
    text,
    prompt,
    unit,
    script,
    limit,
    encoding,
    as_typed,
    stride,
    start_token,
    end_token,
    newline_token,
    base,
    dtype,
    runtime,
    generating,
    learned,
    bert,
    out,
    as_json,
    **how,
) -> None:
    """How probable texts are to MODEL: loss, perplexity, bits per character and accuracy.

    Every token of a text and its end token count; the start token, prompts and padding do not. With --generate the
    model goes on from each text's beginning, and what it writes is compared with the text, with itself and with what
    was learned.
    """
    import dataclasses
    import json
    from pathlib import Path

    from rich import progress
    from rich.console import Console

    from kgpt2.checkpoints.names import read_model
    from kgpt2.checkpoints.special_tokens import SpecialTokens
    from kgpt2.cli.evaluation_report import markdown, table
    from kgpt2.data.example import Report
    from kgpt2.data.reading import read_examples
    from kgpt2.data.sources import Options, open_source
    from kgpt2.evaluation.scoring import score
    from kgpt2.generation.language_model import choose_runtime, open_runtime
    from kgpt2.generation.settings import Settings
    from kgpt2.writing import write_text

    characters = how.pop("prompt_characters")
    settings = Settings(**how, as_typed=as_typed)
    claim({"--out": out}, [*spec, learned])
    choose_runtime(dtype, runtime)
    checkpoint = read_model(model, SpecialTokens(start_token, end_token, newline_token), base)
    for note in checkpoint.notes:
        say(f"note: {note}")
    reading = Options(path, text, prompt, unit, script, limit, encoding)
    source = open_source(spec[0] if len(spec) == 1 else list(spec), reading)
    learned = learned and open_source(learned, dataclasses.replace(reading, limit=None))
    lm = open_runtime(checkpoint, dtype, runtime)

    def examples(source, report):
        return read_examples(source.read(report), lm.tokenizer, report, as_typed)

    read, console = Report(), Console(stderr=True)
    columns = [progress.BarColumn(), progress.TextColumn("{task.percentage:3.0f}%  {task.fields[shown]}")]
    columns += [progress.TimeElapsedColumn(), progress.TimeRemainingColumn()]
    with progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0, shown="")
        unknown_id = getattr(lm.tokenizer, "unknown_id", None)
        for likelihood in score(lm.runtime, lm.tokenizer, examples(source, read), stride, unknown_id):
            report = likelihood.report()
            bar.update(task, completed=read.done, shown=f"perplexity {report['perplexity']:.2f}")
    for reason, count in read.dropped.items():
        say(f"{count:,} dropped: {reason}")
    for rule, count in (+read.cleaned).items():
        say(f"{count:,} cleaned: {rule}")
    report = {"model": model, "data": source.spec, "dtype": dtype, **report}
    if generating:
        from kgpt2.evaluation.generated import evaluate_generated

        known = (example.prompt + example.text for example in (examples(learned, Report()) if learned else ()))
        given = examples(source, Report())
        report["generation"], written = evaluate_generated(lm, given, characters, settings, known, bert)
    if out is not None:
        write_text(Path(out), markdown(report, written if generating else ()))
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        show(table(report))
