"""A form as books of prosody print it: its lines place by place in 平, 仄 and 中, and where they rhyme."""

import dataclasses
import itertools

from kgpt2.verse.meter import (
    LINES,
    Pattern,
    couplet_ways,
    is_couplet,
    kinds_of,
    line_flags,
    orders_of,
    regulated,
    rhyme_places,
)
from kgpt2.verse.meter import Way as MeterWay
from kgpt2.verse.notation import Form, Slot, lines_of
from kgpt2.verse.sounds import ANY, LEVEL, OBLIQUE

_SIGNS = {LEVEL: "平", OBLIQUE: "仄", ANY: "中"}


@dataclasses.dataclass(frozen=True)
class Way:
    """One of the ways in which a form can be level and oblique.

    Attributes:
        name: such as 仄起首句入韵; "" for couplets, and where the form has one way.
        lines: of each the tones, or the characters that the form gives.
        types: of each 甲, 乙, 丙 or 丁; "" where the form has no types.
        rhymes: of each 韵 where it rhymes, with its number where there are several rhymes; else "".
    """

    name: str
    lines: tuple[str, ...]
    types: str
    rhymes: tuple[str, ...]


def ways_of(form: Form) -> list[Way]:
    """The ways of a 绝句, 律诗, 排律 or couplet after the table of 王力 (see `meter`); the one way of any other form.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> way = ways_of(parse("五绝"))[0]
        >>> way.name, way.lines[0], way.types, way.rhymes
        ('仄起首句不入韵', '中仄平平仄', '甲乙丙丁', ('', '韵', '', '韵'))
    """
    if regulated(form):
        return [_way(form, order) for order in orders_of(form)]
    if is_couplet(form):
        return [_plain(form, _held(parts)) for parts in itertools.product(*couplet_ways(form, "strict"))]
    return [_plain(form, {})]


def _plain(form: Form, pattern: Pattern) -> Way:
    """A way without types, with the rhymes that the form itself has."""
    lines = lines_of(form)
    several = len({slot.rhyme for slot in form} - {""}) > 1
    return Way(
        "",
        tuple("".join(_sign(form[place], pattern.get(place, ANY)) for place in line) for line in lines),
        "",
        tuple("、".join(_rhyme(form[place], several) for place in line if form[place].rhyme) for line in lines),
    )


def _held(parts: tuple[MeterWay, ...]) -> Pattern:
    """The tones of a couplet, of those of its pairs of clauses."""
    return {place: tone for ((pattern, *_),) in parts for place, tone in pattern.items()}


def _way(form: Form, order: str) -> Way:
    lines = lines_of(form)
    kinds = kinds_of(order, len(lines))
    flags = [line_flags(len(line), kind, LINES[kind][0]) for line, kind in zip(lines, kinds, strict=True)]
    ends = rhyme_places(form, {lines[0][-1]: flags[0][-1]})
    begins = "平起" if flags[0][1] == LEVEL else "仄起"
    return Way(
        begins + ("首句入韵" if lines[0][-1] in ends else "首句不入韵"),
        tuple(
            "".join(_sign(form[place], tone) for place, tone in zip(line, tones, strict=True))
            for line, tones in zip(lines, flags, strict=True)
        ),
        kinds,
        tuple("韵" if line[-1] in ends else "" for line in lines),
    )


def _sign(slot: Slot, tone: int) -> str:
    return slot.given or _SIGNS.get(slot.tone & tone, "？")


def _rhyme(slot: Slot, several: bool) -> str:
    return f"韵{slot.rhyme}" if several else "韵"
