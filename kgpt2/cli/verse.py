"""`kgpt2 verse`: a text against the rules, the forms that have names, and what a character rhymes with."""

import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from kgpt2.cli import completing
from kgpt2.cli.console import debug_option, json_option, styled
from kgpt2.cli.help import Group
from kgpt2.cli.options import Choice
from kgpt2.cli.verse_texts import texts_of
from kgpt2.errors import RequestError, escaped, quoted
from kgpt2.language import told

if TYPE_CHECKING:
    from kgpt2.verse.checked import Checked, Fault
    from kgpt2.verse.notation import Form

# Colours of 平, 仄 and 通 on a terminal.
_COLOURS = {"平": "blue", "仄": "yellow", "通": "magenta"}
SYSTEMS = ("pingshui", "cilin", "modern", "tongyun", "off")
# What the patterns of `verse forms` mean; see `kgpt2.verse.notation`.
_LEGEND = (
    "7: seven characters; x: any character; p: level (平); z: oblique (仄)",
    "R, r: level, oblique, and they rhyme, equal numbers with one another; =3: the character three before again",
    "kgpt2 verse forms NAME shows one form in 平, 仄 and 中 (either)",
)


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

    checked = [(one.heading, check(one.verse, form, rhyme or "")) for one in texts_of(text, form)]
    for heading, one in checked:
        report = json.dumps(dataclasses.asdict(one), ensure_ascii=False) if as_json else _shown(one, form, heading)
        click.echo(report)


@command.command("rhymes")
@click.argument("character", metavar="CHARACTER|RHYME")
@json_option
@debug_option
def rhymes_command(character: str, as_json: bool) -> None:
    """Show the tones of CHARACTER and what it rhymes with, or the characters of a RHYME."""
    from kgpt2.verse.check import TONE_SIGNS
    from kgpt2.verse.han import is_han
    from kgpt2.verse.sounds import LEVEL, OBLIQUE, rhyme_uses, rhymes_of, tone_of, tone_uses
    from kgpt2.verse.sounds import SYSTEMS as SYSTEM_TITLES

    if not is_han(character):
        _show_rhyme(character, as_json)
        return
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


def _show_rhyme(name: str, as_json: bool) -> None:
    """Shows the characters of a rhyme, those that verse uses most first."""
    from kgpt2.verse.sounds import rhyming

    try:
        found = rhyming(name)
    except RequestError:
        raise RequestError(
            f"{quoted(name)}: one Chinese character will do, or the name of a rhyme such as 一东 or 第七部"
        ) from None
    if as_json:
        click.echo(json.dumps({"rhymes": {name: [*signs] for name, signs in found.items()}}, ensure_ascii=False))
        return
    for rhyme, signs in found.items():
        click.echo(f"{rhyme}  {''.join(signs)}")


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
        if as_json:
            click.echo(json.dumps(names, ensure_ascii=False))
            return
        click.echo("\n".join(f"{k}  {v}" for k, v in names.items()) + "\n")
        for row in _LEGEND:
            click.echo(told(row))
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


def _shown(checked: "Checked", form: str = "", heading: str = "") -> str:
    """A text as people read it: under each line its tones, both in the colours of the tones on a terminal.

    Args:
        checked: what was found.
        form: the form that was asked for; "": none.
        heading: what stands above the text.
    """
    rhyme = told(f", rhyme {checked.rhyme.name}") if checked.rhyme.name else ""
    rows = [*([escaped(heading)] if heading else []), f"{checked.form}: {_verdict(checked)}{rhyme}"]
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
    rows += [f"  {fault.kind}: {told(_where(fault, checked, form))}" for fault in checked.faults]
    rows += [f"  {told(hint)}" for hint in _hints(checked)]
    return "\n".join(rows) + "\n"


def _verdict(checked: "Checked") -> str:
    if not checked.is_ruled:
        return told("no rules were checked: no 绝句, 律诗, 排律, 对联 or known 词牌 has these lines")
    return told("regulated" if checked.regulated else "not regulated")


def _where(fault: "Fault", checked: "Checked", form: str) -> str:
    """Where a fault is, and of a form that does not fit, what does not."""
    from kgpt2.verse.misfit import misfit
    from kgpt2.verse.notation import name_of

    if fault.kind == "形式" and not fault.place:
        if name_of(form) == "对联":
            return "a couplet is two sides of one length, such as 上联-下联"
        if (found := misfit([line.text for line in checked.lines], form)) is None:
            return "another form than was asked for"
        if found.line:
            return f"line {found.line} has {found.found} characters, and {found.wanted} in the form"
        return f"{found.found} lines, and {found.wanted} in the form"
    return f"line {fault.line}" + (f", character {fault.place} ({fault.character})" if fault.place else "")


def _hints(checked: "Checked") -> Iterator[str]:
    """What a reader may not know of what was found."""
    lines = checked.lines
    if not checked.is_ruled and len(lines) == 1:
        yield "one line: marks, spaces or line ends part the lines of a poem"
    if not checked.is_ruled and len(lines) == 2 and len(lines[0].text) == len(lines[1].text):
        yield "two lines: --form 对联 checks them as a couplet"
    ends = {line.tones[-1] for line in lines[1::2]}
    if checked.form == "对联" and len(lines) == 2 and [line.tones[-1] for line in lines] == ["平", "仄"]:
        yield "the sides may stand the wrong way round: the first ends obliquely, the second level"
    if len(lines) >= 4 and lines[0].type and ends == {"仄"}:
        yield "all even lines end obliquely: perhaps old-style verse (古体, such as 仄韵古绝), which has no such rules"
    if any("通" in line.tones for line in lines):
        yield "通: level or oblique"
