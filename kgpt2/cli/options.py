"""Options that several commands share, and what they print with."""

import os
import types
from collections.abc import Iterable, Mapping

import click

from kgpt2.errors import printable

DEBUG = types.SimpleNamespace(on=False)


def _set_debug(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    DEBUG.on = DEBUG.on or value


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show a traceback with an error."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Machine output on stdout, and nothing else there.")


class Listed(click.ParamType):
    """Values separated by commas.

    Args:
        kind: what each is made with: `int` or `str`.
    """

    name = "list"

    def __init__(self, kind: type):
        self._kind = kind

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return "A,B,..."

    def convert(self, value, param, ctx):
        if isinstance(value, list):
            return value
        try:
            return [self._kind(one.strip()) for one in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is not a list of whole numbers such as 1,8", param, ctx)


_reading = [
    click.option("--path", metavar="DIR", help="Where a named source's files lie."),
    click.option("--text", metavar="COLUMN", help='The column, or a template such as "{title}：{text}".'),
    click.option("--prompt", metavar="COLUMN", help="What the model reads before, without learning to write it."),
    click.option("--unit", type=click.Choice(["line", "block", "file"]), default="line", help="An example of a .txt."),
    click.option("--script", type=click.Choice(["simplified", "traditional"]), help="Convert the characters."),
    click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N examples alone."),
    click.option("--encoding", metavar="NAME", help="Of files and couplets, such as gb18030.  [default: UTF-8]"),
]

_model = [
    click.option("--start-token", metavar="TOKEN", help="Begins a text.  [default: as the model's files say]"),
    click.option("--end-token", metavar="TOKEN", help="Ends a text.  [default: as the model's files say]"),
    click.option("--newline-token", metavar="TOKEN", help="What the model learned in the place of a line end."),
    click.option("--base", metavar="MODEL", help="Of a LoRA adapter: its base.  [default: the one that it names]"),
]

_runtime = [
    click.option(
        "--dtype",
        type=click.Choice(["float32", "bfloat16", "int8", "int4"]),
        default="float32",
        show_default=True,
        help="int8 and int4 keep the weights so (OpenVINO).",
    ),
    click.option(
        "--runtime",
        type=click.Choice(["auto", "openvino", "keras"]),
        default="auto",
        show_default=True,
        help="auto: OpenVINO on a CPU.",
    ),
]


as_typed_option = click.option(
    "--as-typed", is_flag=True, help="Read texts as they are, also where the model knows another form of a mark."
)


def reading_options(command):
    """The options that say how a source is read."""
    return _with(_reading, command)


def model_options(command):
    """The options that tell of a model what its files may not."""
    return _with(_model, command)


def runtime_options(command):
    """The options that say what computes, and in which type."""
    return _with(_runtime, command)


def _with(options, command):
    for option in reversed(options):
        command = option(command)
    return command


def claim(outputs: Mapping[str, str | None], inputs: Iterable[str | None] = (), suffix: str = "") -> None:
    """Takes the files that a command is going to write, until its end: see `outputs.claimed_file`.

    Args:
        outputs: option and file of each; None: not asked for.
        inputs: files that are read, or what else stands for a source.
        suffix: the longest that a name gets while the file is written.

    Raises:
        RequestError: one cannot be written, is another one or is read.
    """
    from pathlib import Path

    from kgpt2.errors import RequestError
    from kgpt2.outputs import claimed_file
    from kgpt2.writing import is_stream

    taken = {os.path.realpath(one): "is read" for one in inputs if one}
    for option, file in outputs.items():
        if file is None:
            continue
        place = os.path.realpath(file)
        if place in taken and not is_stream(Path(file)):
            raise RequestError(f"{option} {file}: the same file {taken[place]}; choose another name")
        taken[place] = f"is for {option}"
        click.get_current_context().with_resource(claimed_file(Path(file), f"{option} {file}", suffix))


def bring_up_keras() -> None:
    """Imports Keras and its backend the quiet way, before anything else can; takes seconds."""
    import kgpt2.models  # noqa: F401


def say(message: str) -> None:
    """Prints for people: on stderr, so that stdout holds results alone, and nothing that a terminal would obey."""
    click.echo(printable(message), err=True)


def show(shown) -> None:
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
