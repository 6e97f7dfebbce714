"""What every command prints with, and the two options that all have; light, since `kgpt2 --help` imports it."""

import os
import re
import shutil
import sys
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from kgpt2.cli.help import cells, wrapped
from kgpt2.errors import printable
from kgpt2.language import told

if TYPE_CHECKING:
    from kgpt2.cli.tables import Table

_COLOURS = {"kgpt2": "red", "note": "yellow", "注意": "yellow", "warning": "yellow"}
DEBUG = types.SimpleNamespace(on=False)


def _set_debug(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    DEBUG.on = DEBUG.on or value


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show a traceback with an error."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Machine output on stdout, and nothing else there.")


def say(message: str) -> None:
    """Prints for people, in their language, on stderr: stdout holds results alone; nothing that a terminal obeys."""
    click.echo(_coloured(printable(told(message))), err=True)


def _coloured(message: str) -> str:
    """A message whose first word has the colour of what it is; click takes it off where stderr is no terminal."""
    word, colon, rest = next(filter(None, re.findall(r"\A(\w+)([:：])(.*)\Z", message, re.S)), ("", "", ""))
    colour = _COLOURS.get(word)
    return message if colour is None else styled(word + colon, fg=colour, bold=True) + rest


def styled(text: str, *, fg: str | None = None, bold: bool | None = None, underline: bool | None = None) -> str:
    """A text in a colour, plain where NO_COLOR is set; click takes colours off where it prints to no terminal."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return click.style(text, fg=fg, bold=bold, underline=underline)


def show(*parts: "Table | str") -> None:
    """Prints what people read on stdout, as wide as the terminal is; into a file all goes whole.

    Args:
        parts: tables and texts.
    """
    width = room()
    for part in parts:
        for line in _folded(part, width) if isinstance(part, str) else part.lines(width):
            click.echo(line)


def _folded(text: str, width: int | None) -> Iterator[str]:
    """The lines of a text; those wider than the terminal are broken between words, and go on below their beginning."""
    for line in text.split("\n"):
        if width is None or cells(line) <= width:
            yield line
        else:
            margin = line[: len(line) - len(line.lstrip())]
            yield from (margin + part for part in wrapped(line, width - len(margin)))


def room() -> int | None:
    """The cells of a line of stdout; None: any number, it is no terminal and COLUMNS is not set."""
    return shutil.get_terminal_size().columns if os.environ.get("COLUMNS") or sys.stdout.isatty() else None
