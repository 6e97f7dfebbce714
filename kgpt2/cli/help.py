"""`--help`: options under headings, commands with whole sentences, lines by the cells of a terminal; light."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from kgpt2.language import told

# A word, or a Chinese character, with the marks that may begin or end no line.
_CLOSING = "[，。、；：！？）》”]*"
_PIECES = re.compile(rf"\s+|[（《“]*[\u2e80-\u9fff]{_CLOSING}|[^\s\u2e80-\u9fff（《“]+{_CLOSING}|.")

# An option's help, and in brackets behind it the default that it has or click adds.
_DEFAULT = re.compile(r"(.*?)(?:\s+\[(.*)\])?", re.S)


def cells(text: str) -> int:
    """How many places of a terminal a text takes: a Chinese character takes two.

    Example:
        >>> cells("五绝 7")
        6
    """
    return sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in text)


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a paragraph, none wider than so many cells unless a word is.

    Example:
        >>> wrapped("five characters: 床前明月光，疑是地上霜。", 20)
        ['five characters: 床', '前明月光，疑是地上', '霜。']
    """
    lines = [""]
    for piece in _PIECES.findall(text.strip()):
        piece = " " if piece.isspace() else piece
        if cells(lines[-1] + piece) > width and lines[-1]:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += piece if lines[-1] or piece != " " else ""
    return lines


class Formatter(click.HelpFormatter):
    """click's formatter, in the language of the locale and for terminals that show Chinese."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Writes how the command is typed."""
        super().write_usage(prog, " ".join(map(told, args.split(" "))), prefix or told("Usage: "))

    def write_heading(self, heading: str) -> None:
        """Writes what stands above a list."""
        self.write(f"{'':{self.current_indent}}{told(f'{heading}:')}\n")

    def write_text(self, text: str) -> None:
        """Writes paragraphs."""
        for number, paragraph in enumerate(re.split(r"\n\s*\n", text)):
            self.write("\n" if number else "")
            as_written = paragraph.startswith("\b\n")  # click's sign for it
            lines = paragraph.split("\n")[1:] if as_written else self._lines(paragraph)
            for line in lines:
                self.write(f"{'':{self.current_indent}}{line}\n")

    def _lines(self, paragraph: str) -> list[str]:
        return wrapped(told(" ".join(paragraph.split())), self.width - self.current_indent)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Writes what is called so, and beside it what it means."""
        rows = list(rows)
        column = min(max(cells(term) for term, _ in rows), col_max) + col_spacing
        for term, meaning in rows:
            room = max(self.width - column - self.current_indent, 10)
            match = _DEFAULT.fullmatch(meaning.strip())
            text, bracket = match.groups() if match else (meaning, None)
            lines = wrapped(told(text) + (f"  [{told(bracket)}]" if bracket else ""), room)
            beside = cells(term) + col_spacing <= column
            self.write(f"{'':{self.current_indent}}{term}")
            self.write(" " * (column - cells(term)) if beside else f"\n{'':{self.current_indent + column}}")
            self.write(f"\n{'':{self.current_indent + column}}".join(lines) + "\n")


class Command(click.Command):
    """A command whose options stand under headings.

    Args:
        headings: for each the names of its parameters; what is under none comes last, under "Other".
    """

    def __init__(self, *arguments: Any, headings: Mapping[str, Sequence[str]], **values: Any):
        super().__init__(*arguments, **values)
        self.headings = headings

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, heading by heading."""
        heading_of = {name: heading for heading, names in self.headings.items() for name in names}
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (*self.headings, "Other")}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections[heading_of.get(parameter.name or "", "Other")].append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class Group(click.Group):
    """A group that shows the first sentence of each command whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, first_sentence(one.help or "")) for name, one in commands if one is not None])


def first_sentence(help: str) -> str:
    """The first sentence of a help text, what follows a colon or semicolon left out.

    Example:
        >>> first_sentence("Write it: to a file. It is whole.")
        'Write it.'
    """
    return re.split(r"[.:;](?=\s|$)", " ".join(help.split()), maxsplit=1)[0] + "."
