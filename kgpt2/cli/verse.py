"""`kgpt2 verse`: a text against the rules, the forms that have names, and what a character rhymes with."""

import dataclasses
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, json_option, styled
from kgpt2.cli.help import Group
from kgpt2.cli.options import Choice
from kgpt2.errors import RequestError, quoted
from kgpt2.language import told

if TYPE_CHECKING:
    from kgpt2.verse.checked import Checked
    from kgpt2.verse.notation import Form

# Colours of 平, 仄 and 通 on a terminal.
_COLOURS = {"平": "blue", "仄": "yellow", "通": "magenta"}
SYSTEMS = ("pingshui", "cilin", "modern", "tongyun", "off")


@click.group("verse", cls=Group)
def command() -> None:
    """The rules of Chinese verse: check a text, look at the forms, look a rhyme up."""


@command.command("check")
@click.argument("text", metavar="TEXT|FILE")
@click.option(
    "--form",
    default="",
    shell_complete=completing.forms,
    help="A name or a pattern that each text should have.  [default: whichever it has]",
)
@click.option(
    "--rhyme",
    type=Choice(SYSTEMS),
    help="With modern and tongyun, tones too.  [default: pingshui; cilin for a tune]",
)
@json_option
@debug_option
def check_command(text: str, form: str, rhyme: str | None, as_json: bool) -> None:
    """Say of TEXT, or of each line of FILE, what it keeps and breaks: its form, tones, faults, licences and rhyme."""
    from kgpt2.verse.check import check

    checked = [check(one, form, rhyme or "") for one in _texts(text)]
    for one in checked:
        click.echo(json.dumps(dataclasses.asdict(one), ensure_ascii=False) if as_json else _shown(one))


@command.command("rhymes")
@click.argument("character")
@json_option
@debug_option
def rhymes_command(character: str, as_json: bool) -> None:
    """Show the tones of CHARACTER, how often verse has each, and what it rhymes with."""
    from kgpt2.verse.check import TONE_SIGNS
    from kgpt2.verse.han import is_han
    from kgpt2.verse.sounds import LEVEL, OBLIQUE, rhyme_uses, rhymes_of, tone_of, tone_uses
    from kgpt2.verse.sounds import SYSTEMS as SYSTEM_TITLES

    if not is_han(character):
        raise RequestError(f"{quoted(character)}: one Chinese character will do")
    level, oblique = tone_uses(character)
    named: dict[str, list[str]] = {
        system: sorted({*rhymes_of(character, LEVEL, system), *rhymes_of(character, OBLIQUE, system)})
        for system in SYSTEM_TITLES
    }
    report = {
        "character": character,
        "tones": TONE_SIGNS[tone_of(character)],
        "uses": {"level": level, "oblique": oblique},
        **named,
        "rhymed": rhyme_uses().get(character, {}),
    }
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
        return
    click.echo(f"{character}  {report['tones']}  {told(f'({level:,} level and {oblique:,} oblique uses)')}")
    for system, title in SYSTEM_TITLES.items():
        click.echo(f"{title}  {'、'.join(named[system]) or '-'}")
    for name, count in rhyme_uses().get(character, {}).items():
        click.echo(f"  {name}  {told(f'{count:,} times at the end of a line')}")


@command.command("forms")
@click.argument("name", required=False, shell_complete=completing.forms)
@json_option
@debug_option
def forms_command(name: str | None, as_json: bool) -> None:
    """List the forms that have names, or show the lines of one of them in each of its ways, and where they rhyme."""
    from kgpt2.verse.notation import NAMED, parse
    from kgpt2.verse.scansion import ways_of
    from kgpt2.verse.tunes import tune_pattern, tunes

    if name is None:
        names = dict(NAMED) | {name: tune_pattern(name) for name in tunes()}
        click.echo(
            json.dumps(names, ensure_ascii=False) if as_json else "\n".join(f"{k}  {v}" for k, v in names.items())
        )
        return
    form = parse(name)
    if as_json:
        click.echo(json.dumps(_form_report(name, form), ensure_ascii=False))
    elif any(slot.rhyme or slot.back for slot in form):
        click.echo("\n".join(_lines_shown(name, form)))
    else:
        for number, way in enumerate(ways_of(form)):
            rows = zip(way.lines, way.types or [""] * len(way.lines), way.rhymes, strict=True)
            shown = [*([way.name] if way.name else []), *("  ".join(filter(None, row)) for row in rows)]
            click.echo("\n" * (number > 0) + "\n".join(shown))


def _form_report(name: str, form: "Form") -> dict[str, object]:
    from kgpt2.verse.notation import lines_of, name_of
    from kgpt2.verse.scansion import ways_of
    from kgpt2.verse.tunes import variant_count

    ways = ways_of(form)
    return {
        "form": name_of(name),
        "names": [way.name for way in ways],
        "ways": [way.lines for way in ways],
        "types": [way.types for way in ways],
        "rhymes": [way.rhymes for way in ways],
        "repeats": [[form[place].back > 0 for place in line] for line in lines_of(form)],
        "variants": variant_count(name),
    }


def _lines_shown(name: str, form: "Form") -> Iterator[str]:
    """The lines of a tune with their marks: which rhyme (韵, numbered where there are several), which repeat (叠)."""
    from kgpt2.verse.notation import lines_of
    from kgpt2.verse.scansion import ways_of
    from kgpt2.verse.tunes import tune_cuts, variant_count

    (way,) = ways_of(form)
    cuts: dict[int, list[str]] = {}
    for number, lengths in tune_cuts(name):
        cuts.setdefault(number, []).append("，".join(map(str, lengths)))
    rows = zip(lines_of(form), way.lines, way.rhymes, strict=True)
    for number, (places, tones, rhyme) in enumerate(rows, 1):
        mark = form[places[-1] + 1].mark if places[-1] + 1 < len(form) else ""
        said = [rhyme, "叠" if any(form[place].back for place in places) else ""]
        said += [told(f"or cut as {cut}") for cut in cuts.get(number, ())]
        yield "  ".join([tones + mark, *filter(None, said)])
    if (count := variant_count(name)) > 1:
        yield told(f"one of {count} variants: {name.rstrip('0123456789')}1 to {count}")


def _texts(given: str) -> Iterator[str]:
    """The text, or those of a file, a line each.

    Raises:
        RequestError: the file cannot be read, or one of them holds no Chinese character.
    """
    from pathlib import Path

    from kgpt2.files import read_text
    from kgpt2.verse.han import is_han

    named = os.path.isfile(given)
    lines = read_text(Path(given), "file of verse").splitlines() if named else [" ".join(given.split())]
    for number, line in enumerate(lines, 1):
        if any(map(is_han, line)):
            yield line
        elif line.strip() or not named:
            place = f"{given}, line {number}: " if named else ""
            raise RequestError(f"{place}{quoted(line, 30)} holds no Chinese character; give a text, or a file of texts")


def _shown(checked: "Checked") -> str:
    """A text as people read it: under each line its tones, both in the colours of the tones on a terminal."""
    verdict = told("regulated" if checked.regulated else "not regulated")
    rhyme = told(f", rhyme {checked.rhyme.name}") if checked.rhyme.name else ""
    rows = [f"{checked.form}: {verdict}{rhyme}"]
    broken = {(fault.line, fault.place) for fault in checked.faults}
    for number, line in enumerate(checked.lines, 1):
        said = "、".join((*line.faults, *line.licences))
        text, tones = (
            "".join(
                styled(sign, fg=_COLOURS.get(tone), underline=(number, place) in broken or None)
                for place, (sign, tone) in enumerate(zip(signs, line.tones, strict=True), 1)
            )
            for signs in (line.text, line.tones)
        )
        rows += [f"  {text}  {line.type}", f"  {tones}  {said}".rstrip()]
    for fault in checked.faults:
        place = f", character {fault.place} ({fault.character})" if fault.place else ""
        where = f"line {fault.line}{place}" if fault.line else "another form than was asked for"
        rows.append(f"  {fault.kind}: {told(where)}")
    return "\n".join(rows) + "\n"
