"""`kgpt2 convert`."""

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, json_option, say
from kgpt2.cli.options import model_options

if TYPE_CHECKING:
    from kgpt2.checkpoints.special_tokens import SpecialTokens


@click.command("convert")
@click.argument("source", metavar="SRC", shell_complete=completing.models)
@click.argument("destination", metavar="DST")
@click.option(
    "--to",
    type=click.Choice(["keras", "transformers", "gguf", "openvino"]),
    help="A Keras preset, a Hugging Face folder, a GGUF file for llama.cpp (BPE models), or a folder for OpenVINO.  "
    "[default: gguf where DST ends in .gguf, else keras]",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16", "int8"]),
    help="Type of the weights; int8 for OpenVINO alone.  [default: as they are stored]",
)
@model_options
@json_option
@debug_option
def command(
    source: str,
    destination: str,
    to: str | None,
    dtype: str | None,
    described: "tuple[SpecialTokens, str | None]",
    as_json: bool,
) -> None:
    """Convert the model SRC and write it to DST.

    SRC is any MODEL: a Hugging Face folder, hf://ORGANISATION/NAME, a LoRA adapter, a Keras preset, a run folder, a
    `.bin` file of UER-py, or a name from `kgpt2 models`. DST must not exist yet; it is written whole or not at all.
    """
    from rich.filesize import decimal

    from kgpt2.checkpoints.names import read_model
    from kgpt2.conversion.convert import convert
    from kgpt2.progress import converting

    checkpoint = read_model(source, *described)
    with converting() as progress:
        done = convert(checkpoint, destination, to, dtype, progress)
    for note in done.notes:
        say(f"note: {note}")
    if as_json:
        click.echo(json.dumps({"source": source, **dataclasses.asdict(done)}, ensure_ascii=False))
    else:
        size = f"{done.parameters:,} parameters, {done.dtype}, {decimal(done.bytes)}"
        say(f"{done.destination}: {size}, written in {done.seconds:.1f} s")
