"""`kgpt2 config`."""

import json
from pathlib import Path

import click

from kgpt2.cli.console import debug_option
from kgpt2.cli.help import Group
from kgpt2.cli.options import claim


@click.group("config", cls=Group)
@debug_option
def command() -> None:
    """The run configuration, as programs know it."""


@command.command("schema")
@click.option("--out", metavar="FILE", help="Write it to a file, whole or not at all.")
@debug_option
def schema_command(out: str | None) -> None:
    """Print the JSON Schema of a run configuration: keys, types, ranges, choices, defaults and what they mean."""
    claim({"--out": out})
    from kgpt2.config.schema import schema
    from kgpt2.writing import write_json

    if out is not None:
        write_json(Path(out), schema())
    else:
        click.echo(json.dumps(schema(), indent=2, ensure_ascii=False))
