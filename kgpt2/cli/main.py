"""The `kgpt2` command: finds its subcommands without importing what they need, and turns errors into exit statuses."""

import difflib
import importlib
import os
import sys
import traceback
from typing import NoReturn

import click

from kgpt2 import __version__, interrupts
from kgpt2.cli.options import DEBUG, debug_option
from kgpt2.errors import Kgpt2Error

COMMANDS = ("generate", "fit", "evaluate", "bench", "compare", "data", "convert", "tokenize", "models", "env")


class LazyGroup(click.Group):
    """Imports `kgpt2.cli.NAME` when NAME is asked for, and takes its `command`."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return importlib.import_module(f"kgpt2.cli.{name}").command

    def resolve_command(self, context: click.Context, args: list[str]):
        close = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if close and args[0] not in COMMANDS:
            context.fail(f"No such command {args[0]!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(context, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kgpt2", message="%(prog)s %(version)s")
@debug_option
def cli() -> None:
    """The whole GPT-2 route in Keras: bring a model in, fine-tune it on your text, generate, take it out again."""


def main() -> NoReturn:
    """Runs the command line; exits with 0 (done), 1 (the work failed) or 2 (the request was wrong)."""
    try:
        # A polite kill cleans up as Ctrl-C does: half-written files are removed.
        with interrupts.listening(), interrupts.recognised():
            cli.main(prog_name="kgpt2", standalone_mode=False)
            sys.stdout.flush()
        status = 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        status = 2
    except click.ClickException as error:
        status = _report(f"{error.format_message()}{_help_hint(error)}", 2)
    except Kgpt2Error as error:
        status = _report(str(error), error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        status = _report("interrupted", 1)
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except OSError as error:
        status = _report(f"{error.filename or 'a file'}: {error.strerror or error}", 1)
    except Exception as error:
        status = _report(f"{type(error).__name__}: {error}\nthis is unexpected; --debug shows where it happened", 1)
    sys.exit(status)


def _report(message: str, status: int) -> int:
    if DEBUG.on:
        traceback.print_exc()
    click.echo(f"kgpt2: {message}", err=True)
    return status


def _help_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"\n`{context.command_path} --help` lists what there is" if context else ""
