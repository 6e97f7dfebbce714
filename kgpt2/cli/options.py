"""Options that several commands share, and what they print with."""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

from kgpt2.cli import completing
from kgpt2.cli.console import say
from kgpt2.config.settings import FIELDS, Field, Settings, in_our_words
from kgpt2.errors import RequestError, quoted

if TYPE_CHECKING:
    from kgpt2.checkpoints.checkpoint import Checkpoint
    from kgpt2.checkpoints.special_tokens import SpecialTokens
    from kgpt2.data.example import Report
    from kgpt2.data.token_cache import Tokenised

Command = Callable[..., Any]


class Listed(click.ParamType[list[Any]]):
    """Values separated by commas.

    Args:
        kind: what each is made with: `int` or `str`.
    """

    name = "list"

    def __init__(self, kind: Callable[[str], Any]):
        self._kind = kind

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return "A,B,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Any]:
        if isinstance(value, list):
            return value
        try:
            return [self._kind(one.strip()) for one in value.split(",")]
        except ValueError:
            self.fail(f"{quoted(value)} is not a list of whole numbers such as 1,8", param, ctx)


class Choice(click.Choice[str]):
    """One of several values, which a Chinese writer may call by their Chinese names."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return super().convert(in_our_words(param.name or "", value) if param else value, param, ctx)


_reading = [
    click.option("--path", metavar="DIR", help="Where a named source's files lie."),
    click.option("--text", metavar="COLUMN", help='The column, or a template such as "{title}：{text}".'),
    click.option("--prompt", metavar="COLUMN", help="What the model reads before, without learning to write it."),
    click.option("--unit", type=click.Choice(["line", "block", "file"]), default="line", help="An example of a .txt."),
    click.option("--script", type=Choice(["simplified", "traditional"]), help="Convert the characters."),
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
        type=click.Choice(["float32", "bfloat16", "int8", "int4", "auto"]),
        default="float32",
        show_default=True,
        help="int8 and int4 keep the weights so (OpenVINO); auto is the fastest.",
    ),
    click.option(
        "--runtime",
        type=click.Choice(["auto", "openvino", "keras"]),
        default="auto",
        show_default=True,
        help="auto: OpenVINO on a CPU.",
    ),
]

# Their parameters' names, for headings.
READING_OPTIONS = ("path", "text", "prompt", "unit", "script", "limit", "encoding")
MODEL_OPTIONS = ("start_token", "end_token", "newline_token", "base")

as_typed_option = click.option("--as-typed", is_flag=True, help=FIELDS["as_typed"].meaning.help)
# Options that are called otherwise than their settings.
_NAMES = {"num_return": ("-n", "--num-return")}
_COMPLETERS = {"form": completing.forms, "rhyme": completing.rhymes}
_METAVARS = {"ban": "TEXT", "stop": "TEXT", "acrostic": "TEXT", "title": "TEXT", "keywords": "WORDS"}


def reading_options(command: Command) -> Command:
    """The options that say how a source is read; the command gets them as `reading`, `data.sources.Options`."""

    @functools.wraps(command)
    def bundled(**values: Any) -> Any:
        from kgpt2.data.sources import Options

        names = (field.name for field in dataclasses.fields(Options))
        return command(reading=Options(**{name: values.pop(name) for name in names}), **values)

    return _with(_reading, bundled)


def model_options(command: Command) -> Command:
    """The options that tell of a model what its files may not; the command gets them as `described`.

    They are the second and third argument of `checkpoints.names.read_model`.
    """

    @functools.wraps(command)
    def bundled(start_token: str, end_token: str, newline_token: str, base: str, **values: Any) -> Any:
        from kgpt2.checkpoints.special_tokens import SpecialTokens

        return command(described=(SpecialTokens(start_token, end_token, newline_token), base), **values)

    return _with(_model, bundled)


def runtime_options(command: Command) -> Command:
    """The options that say what computes, and in which type."""
    return _with(_runtime, command)


def settings_options(command: Command) -> Command:
    """Every setting of generation as an option; the command gets them as `settings`, a `Settings`."""

    @functools.wraps(command)
    def bundled(**values: Any) -> Any:
        given = {name: values.pop(name) for name in FIELDS}
        for name, field in FIELDS.items():
            if field.default is True:  # its option turns it off
                given[name] = not given[name]
        if given["form"] == "none":
            given["form"] = ""
        return command(settings=Settings(**given), **values)

    return _with([_setting_option(field) for field in FIELDS.values()], bundled)


def _setting_option(field: Field) -> Callable[[Command], Command]:
    name, help = field.name.replace("_", "-"), field.meaning.help
    if field.kind is bool:
        return click.option(f"--no-{name}" if field.default else f"--{name}", field.name, is_flag=True, help=help)
    return click.option(
        *_NAMES.get(field.name, (f"--{name}",)),
        type=field.kind if field.kind in (int, float) else str,
        multiple=field.default == (),
        default=None if field.default == () else field.default,
        show_default=field.default not in (None, "", ()),
        metavar=_METAVARS.get(field.name),
        shell_complete=_COMPLETERS.get(field.name) or completing.one_of(_choices(field)),
        help=help,
    )


def _choices(field: Field) -> tuple[str, ...]:
    return get_args(field.kind) if get_origin(field.kind) is Literal else ()


def _with(options: Sequence[Callable[[Command], Command]], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def read_noted(model: str, described: "tuple[SpecialTokens, str | None]") -> "Checkpoint":
    """Reads a model and says what it notes; arguments and errors as those of `checkpoints.names.read_model`."""
    from kgpt2.checkpoints.names import read_model

    checkpoint = read_model(model, *described)
    for note in checkpoint.notes:
        say(f"note: {note}")
    return checkpoint


def say_counts(report: "Report | Tokenised") -> None:
    """Says what was dropped and cleaned."""
    for verb, counts in (("dropped", report.dropped), ("cleaned", report.cleaned)):
        for reason, count in counts.items():
            if count:
                say(f"{count:,} {verb}: {reason}")


def one_of(option: str, values: Iterable[str], known: Sequence[str]) -> None:
    """Refuses a value that is not known.

    Raises:
        RequestError: naming the option and what there is.
    """
    for value in values:
        if value not in known:
            raise RequestError(f"{option}: {quoted(value)} is not one of {', '.join(known)}")


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
