"""`kgpt2 generate`."""

import time

import click

from kgpt2.cli.options import bring_up_keras, debug_option, json_option, say


@click.command("generate")
@click.argument("prompt", nargs=-1)
@click.option("--model", metavar="MODEL", help="A name from `kgpt2 models`, hf://ORGANISATION/NAME, or a folder.")
@click.option("--prompts", "prompts_file", metavar="FILE", help="Prompts from a file, one a line; - is stdin.")
@click.option("--sampler", default="top_p", show_default=True, help="greedy, top_k, top_p or random.")
@click.option("--k", type=int, default=50, show_default=True, help="How many of the likeliest tokens stay; 0: all.")
@click.option("--p", type=float, default=0.95, show_default=True, help="Share of the probability that stays (top_p).")
@click.option("--temperature", type=float, default=1.0, show_default=True, help="Below 1 safer, above 1 bolder.")
@click.option(
    "--no-repeat-ngram", type=int, default=0, show_default=True, help="No run of N tokens comes twice; 0: off."
)
@click.option("--max-new-tokens", type=int, help="How many tokens may follow.  [default: 128, or what fits]")
@click.option("--max-length", type=int, help="The same limit with start token and prompt included.")
@click.option("-n", "--num-return", type=int, default=1, show_default=True, help="Continuations of each prompt.")
@click.option("--seed", type=int, help="The same seed gives the same text.  [default: drawn, and reported]")
@click.option("--batch-size", type=int, default=32, show_default=True, help="Texts computed at a time.")
@click.option("--no-default-bans", is_flag=True, help="Allow special, [unused] and ## tokens of a BERT vocabulary.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True)
@click.option("--out", metavar="FILE", help="Write the result to a file, whole or not at all.")
@json_option
@debug_option
def command(prompt, model, prompts_file, dtype, no_default_bans, out, as_json, **options) -> None:
    """Continue each PROMPT with a model.

    The texts go to stdout (with --json an object a line), the speed to stderr.
    """
    began = time.perf_counter()
    from pathlib import Path

    from kgpt2.checkpoints.names import read_model
    from kgpt2.errors import RequestError
    from kgpt2.generation.engine import Clock, generate, prepare_prompts
    from kgpt2.generation.prompts import read_prompts
    from kgpt2.generation.settings import Settings

    settings = Settings(default_bans=not no_default_bans, **options)
    texts = read_prompts(prompt, prompts_file)
    if model is None:
        raise RequestError("--model is missing: a name from `kgpt2 models`, hf://ORGANISATION/NAME, or a folder")
    if out is not None and Path(out).is_dir():
        raise RequestError(f"--out: {out} is a folder, a file is wanted")
    checkpoint = read_model(model)
    for note in checkpoint.notes:
        say(f"note: {note}")
    tokenizer = checkpoint.tokenizer
    prompts = prepare_prompts(texts, tokenizer, checkpoint.shape.max_sequence_length, settings)
    with checkpoint.open_weights():
        pass  # broken files are found before the seconds that Keras takes

    bring_up_keras()  # only now that all that can be wrong was looked at
    from kgpt2.generation.keras_runtime import KerasRuntime
    from kgpt2.models import load_task

    runtime = KerasRuntime(load_task(checkpoint, dtype=dtype))
    clock = Clock(startup=time.perf_counter() - began)
    _print(generate(runtime, tokenizer, prompts, settings, clock), out, as_json, announce_seed=settings.seed is None)
    rate = clock.new_tokens / clock.generating if clock.generating else 0.0
    say(
        f"{clock.new_tokens} new tokens in {clock.generating:.2f} s: {rate:.1f} tokens/s "
        f"(start-up {clock.startup:.1f} s)"
    )


def _print(generations, out, as_json, announce_seed) -> None:
    import dataclasses
    import json
    from pathlib import Path

    from kgpt2.files import write_text

    lines, seed = [], None
    for generation in generations:
        line = json.dumps(dataclasses.asdict(generation), ensure_ascii=False) if as_json else generation.text
        lines.append(line + "\n")
        seed = generation.seed
        if out is None:
            click.echo(line)
    if out is not None:
        write_text(Path(out), "".join(lines))
    if announce_seed:
        say(f"seed {seed}")
