"""The `kgpt2` command: finds its subcommands without importing what they need, and turns errors into exit statuses."""

import contextlib
import difflib
import errno
import importlib
import os
import sys
import traceback
import warnings
from typing import NoReturn, TextIO

import click

from kgpt2 import __version__, interrupts
from kgpt2.cli.console import DEBUG, debug_option, say
from kgpt2.cli.help import Formatter, Group
from kgpt2.errors import Kgpt2Error, Note, quoted

COMMANDS = (
    *("generate", "serve", "init", "fit", "evaluate", "bench", "compare"),
    *("data", "convert", "push", "tokenize", "verse", "models", "config", "completion", "env"),
)
# What the system says to a request that asks for the impossible: a limit (`ulimit -f`), a name, a path.
_WRONG = (errno.EFBIG, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)


class LazyGroup(Group):
    """Imports `kgpt2.cli.NAME` when NAME is asked for, and takes its `command`."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"kgpt2.cli.{name}").command
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        close = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if close and args[0] not in COMMANDS:
            context.fail(f"No such command {quoted(args[0])}. Did you mean {quoted(close[0])}?")
        return super().resolve_command(context, args)


click.Context.formatter_class = Formatter


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kgpt2", message="%(prog)s %(version)s")
@debug_option
def cli() -> None:
    """The whole GPT-2 route in Keras: bring a model in, fine-tune it on your text, generate, take it out again."""


def main() -> NoReturn:
    """Runs the command line; exits with 0 (done), 1 (the work failed) or 2 (the request was wrong)."""
    _show_notes()
    _open_standard_streams()
    if sys.stdout is None:
        sys.exit(_report("stdout is closed, and results go there\n`>/dev/null` leaves them out", 2))
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
        status = 1  # whoever read the output has gone
    except OSError as error:
        status = _report(_told(error), 2 if error.errno in _WRONG else 1)
    except UnicodeEncodeError as error:
        text = error.object[error.start : error.start + 1]
        status = _report(f"{quoted(text)} cannot be written as {error.encoding}\nset PYTHONUTF8=1 to have UTF-8", 2)
    except MemoryError:
        status = _report("not enough memory", 1)
    except Exception as error:
        status = _unexpected(error)
    _flush()
    sys.exit(status)


def _show_notes() -> None:
    """Prints a `Note` as commands print theirs; Python would add the line of code that it comes from."""
    others = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, Note):
            say(f"note: {message}")
        else:
            others(message, category, filename, lineno, file, line)

    warnings.simplefilter("always", Note)
    warnings.showwarning = show


def _told(error: OSError) -> str:
    name = error.filename if isinstance(error.filename, str) else "a file, or stdout"
    hint = " (`ulimit -f` tells how large a file may become here)" if error.errno == errno.EFBIG else ""
    return f"{name}: {error.strerror or error}{hint}"


def _open_standard_streams() -> None:
    """Opens those that the caller has closed (`<&-`): a file opened later would get their numbers, and what is printed.

    `sys.stdin` and `sys.stdout` stay None, so that nobody takes them for empty.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number: this one


def _flush() -> None:
    """Python would complain of an output that takes nothing once more when it flushes at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unexpected(error: Exception) -> int:
    if isinstance(error, ModuleNotFoundError):
        from kgpt2.extras import not_installed

        return _report(str(not_installed((error.name or "a package").partition(".")[0])), 2)
    if os.path.expanduser("~") == "~":  # a library looked for it
        return _report("this user has no home directory\nHOME=FOLDER names one", 2)
    return _report(f"{type(error).__name__}: {error}\nthis is unexpected; --debug shows where it happened", 1)


def _report(message: str, status: int) -> int:
    if DEBUG.on:
        traceback.print_exc()
    say(f"kgpt2: {message}")
    return status


def _help_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"\n`{context.command_path} --help` lists what there is" if context else ""
