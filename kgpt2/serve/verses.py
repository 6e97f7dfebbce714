"""Verse for the page: the tunes, the picture of a form, and how well a poem keeps the rules."""

from typing import Literal, TypedDict

from kgpt2.verse.check import check as check_rules
from kgpt2.verse.han import is_han
from kgpt2.verse.measures import characters_repeated, parallels_kept, rhymes_kept, tones_kept
from kgpt2.verse.meter import Tones, couplet_ways, is_couplet, regulated, rhyme_places, verse_ways
from kgpt2.verse.notation import parse
from kgpt2.verse.sounds import ANY, LEVEL, OBLIQUE, System, tone_of
from kgpt2.verse.tunes import tunes

_TONES = {LEVEL: "平", OBLIQUE: "仄", ANY: "中", 0: ""}
_OF_TONES = {"出律", "孤平", "三平尾", "大拗不救", "失对", "失粘"}


class Sign(TypedDict):
    """A place of a form or a poem: its mark or character, its tone (平, 仄, 中: either, "": none known), its rhyme."""

    sign: str
    tone: Literal["平", "仄", "中", ""]
    rhymes: bool


class Broken(TypedDict):
    """What `verse check` names: the kind, the line and its place from 1 (0: the line as a whole), the character."""

    kind: str
    line: int
    place: int
    character: str


class Check(TypedDict):
    """What the measures say, pairs of how many places hold and how many there are; and what `verse check` does.

    `rhyme`: the name of what the lines rhyme on, "" where they share nothing.
    """

    form: str
    rhyme: str
    signs: list[Sign]
    tones: tuple[int, int]
    rhymes: tuple[int, int]
    repeated: tuple[int, int]
    parallels: tuple[int, int]
    regulated: bool
    faults: list[Broken]


def tunes_within(length: int) -> list[str]:
    """The names of the tunes that have at most so many characters and marks, the commonest first.

    Example:
        >>> tunes_within(48)[0], "六州歌头" in tunes_within(128)
        ('浣溪沙', False)
    """
    return [name for name in tunes() if len(parse(name)) <= length]


def picture(form: str, tones: Tones, rhyme: bool) -> list[Sign]:
    """The places of a form in the first of the ways in which it can be regulated.

    Args:
        form: a name or a pattern.
        tones: how strictly.
        rhyme: whether it rhymes.

    Raises:
        RequestError: there is no such form.

    Example:
        >>> "".join(one["sign"] or one["tone"] for one in picture("五绝", "strict", False))
        '中仄平平仄，平平仄仄平。中平平仄仄，中仄仄平平。'
    """
    slots = parse(form)
    parts = []
    if tones != "off" and regulated(slots):
        parts = [{place: tone for choice in verse_ways(slots, tones)[0] for place, tone in choice[0].items()}]
    elif tones != "off" and is_couplet(slots):
        parts = [ways[0][0][0] for ways in couplet_ways(slots, tones)]
    held = {place: tone for part in parts for place, tone in part.items()}
    ends = rhyme_places(slots, parts[0] if parts else None) if rhyme and regulated(slots) else []
    return [
        _sign(
            slot.mark or slot.given,
            0 if slot.mark else slot.tone & held.get(place, ANY) & (LEVEL if place in ends else ANY),
            slot.rhyme != "" or place in ends,
        )
        for place, slot in enumerate(slots)
    ]


def check(text: str, system: System | None = None, form: str = "", tones: bool = True, rhymes: bool = True) -> Check:
    """The tones of a poem's characters, and how well it keeps the rules.

    Args:
        text: the poem.
        system: the tables to go by; None: those of the form.
        form: that it was to have, a name or a pattern; "": what its lines say.
        tones: whether to name faults of its tones.
        rhymes: whether to name faults of its rhymes.

    Raises:
        RequestError: there is no such form.

    Example:
        >>> found = check("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。", "pingshui")
        >>> found["rhymes"], found["rhyme"]
        ((1, 1), '下平声十一尤')
    """
    checked = check_rules(text, form, system or "" if rhymes else "off")
    system = system or "pingshui"
    return Check(
        form=checked.form,
        rhyme=checked.rhyme.name,
        signs=[_sign(sign, tone_of(sign, system) if is_han(sign) else 0, False) for sign in text],
        tones=tones_kept(text, system),
        rhymes=rhymes_kept(text, system),
        repeated=characters_repeated(text),
        parallels=parallels_kept(text),
        regulated=checked.regulated,
        faults=[
            Broken(kind=one.kind, line=one.line, place=one.place, character=one.character)
            for one in checked.faults
            if tones or one.kind not in _OF_TONES
        ],
    )


def _sign(sign: str, tone: int, rhymes: bool) -> Sign:
    return {"sign": sign, "tone": _TONES[tone], "rhymes": rhymes}  # type: ignore[typeddict-item]  # one of its values
