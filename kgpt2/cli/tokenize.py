"""`kgpt2 tokenize`."""

import json
from typing import TYPE_CHECKING

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, json_option
from kgpt2.cli.options import as_typed_option, model_options

if TYPE_CHECKING:
    from kgpt2.checkpoints.special_tokens import SpecialTokens


@click.command("tokenize")
@click.argument("text", nargs=-1, required=True)
@click.option(
    "--model", metavar="MODEL", shell_complete=completing.models, required=True, help="Whose tokenizer: any MODEL."
)
@model_options
@as_typed_option
@json_option
@debug_option
def command(
    text: tuple[str, ...], model: str, described: "tuple[SpecialTokens, str | None]", as_typed: bool, as_json: bool
) -> None:
    """Show the tokens of each TEXT, and their ids, as the model reads them (without start and end token)."""
    from kgpt2.checkpoints.names import read_model
    from kgpt2.data.reading import Reader

    tokenizer = read_model(model, *described).tokenizer
    names = {index: token for token, index in tokenizer.token_to_id.items()}
    read = str if as_typed else Reader(tokenizer)
    for one in text:
        ids = tokenizer.encode(read(one))
        tokens = [names[index] for index in ids]
        if as_json:
            report = {"text": one, "token_ids": ids, "tokens": tokens, "decoded": tokenizer.decode(ids)}
            click.echo(json.dumps(report, ensure_ascii=False))
        else:
            click.echo(" ".join(f"{token}:{index}" for token, index in zip(tokens, ids, strict=True)))
