"""Options that several commands share, and what they print with."""

import types

import click

DEBUG = types.SimpleNamespace(on=False)


def _set_debug(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    DEBUG.on = DEBUG.on or value


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show a traceback with an error."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Machine output on stdout, and nothing else there.")


def bring_up_keras() -> None:
    """Imports Keras and its backend the quiet way, before anything else can; takes seconds."""
    import kgpt2.models  # noqa: F401


def say(message: str) -> None:
    """Prints for people: on stderr, so that stdout holds results alone."""
    click.echo(message, err=True)
