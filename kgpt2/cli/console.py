"""What every command prints with, and the two options that all have; light, since `kgpt2 --help` imports it."""

import types
from typing import TYPE_CHECKING

import click

from kgpt2.errors import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

DEBUG = types.SimpleNamespace(on=False)


def _set_debug(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    DEBUG.on = DEBUG.on or value


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show a traceback with an error."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Machine output on stdout, and nothing else there.")


def say(message: str) -> None:
    """Prints for people: on stderr, so that stdout holds results alone, and nothing that a terminal would obey."""
    click.echo(printable(message), err=True)


def show(shown: "RenderableType") -> None:
    """Prints what people read on stdout; a table keeps its figures whole, however narrow the place is.

    Args:
        shown: a table, or a group of tables and lines.
    """
    from rich.console import Console, Group
    from rich.table import Table

    console = Console(markup=False)  # a name in brackets is a name
    for part in shown.renderables if isinstance(shown, Group) else [shown]:
        if isinstance(part, Table):
            whole = console.measure(part, options=console.options.update(width=1000)).maximum
            Console(width=max(console.width, whole), markup=False).print(part)
        else:
            console.print(part)
