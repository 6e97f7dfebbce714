"""What a text of verse keeps and breaks: the type of each line, its faults and licences, and its rhyme.

Types, faults and licences have the names of 王力, 诗词格律 (1962), chapters 2 and 3; see `meter`.
"""

import collections
import functools
import re
from collections.abc import Sequence

from kgpt2.verse.check_tune import find_tune
from kgpt2.verse.checked import Checked, Fault, Line, Rhyme
from kgpt2.verse.cutting import PAUSE
from kgpt2.verse.form import form_of
from kgpt2.verse.han import HAN, full_width
from kgpt2.verse.meter import LICENCES, LINES, is_couplet, line_flags, regulated
from kgpt2.verse.misfit import misfit
from kgpt2.verse.notation import Form, form_of_text, lines_of, name_of, parse, shape_of
from kgpt2.verse.sameness import say_the_same
from kgpt2.verse.sounds import (
    ANY,
    LEVEL,
    OBLIQUE,
    SYSTEMS,
    System,
    end_tone_of,
    is_taken_for,
    liberties,
    neighbours,
    rhymes_of,
    tone_of,
)

# What editions print within a poem: （明年 一作：年年）.
_NOTE = re.compile(r"[（(][^（）()]*[)）]")
_TWO_LINES = re.compile(f"([{HAN}]+)[^{HAN}]+([{HAN}]+)[^{HAN}]*")
TONE_SIGNS = {LEVEL: "平", OBLIQUE: "仄", ANY: "通", 0: "？"}
# What a line may be, by what it follows; and what a break of 对 or 粘 weighs beside a place of a wrong tone.
_FIRST, _ANSWERS, _ADHERES = (
    ("甲丙", "乙丁"),
    {"甲": "乙", "丙": "丁", "乙": "丁", "丁": "乙"},
    {"乙": "丙", "丁": "甲"},
)
_UNOPPOSED, _UNATTACHED = 1.6, 1.4


def check(text: str, form: str = "", rhyme: System | str = "") -> Checked:
    """Looks at a text of verse.

    Args:
        text: lines between marks; a couplet has a `-` between its sides.
        form: a name or a pattern that it should have; "": whichever it has. For 对联, two lines of one length are its
            sides, whichever mark parts them.
        rhyme: pingshui, cilin, modern, tongyun or off; with modern and tongyun, tones are those of today too. "": cilin
            for a tune (词牌), pingshui for all others.

    Raises:
        RequestError: there is no such form.

    Example:
        >>> found = check("渭城朝雨浥轻尘，客舍青青柳色新。劝君更尽一杯酒，西出阳关无故人。")
        >>> found.form, found.regulated, [fault.kind for fault in found.faults]
        ('七绝', False, ['失粘'])
    """
    signs = full_width("".join(_NOTE.sub("", text).split()))
    any_couplet = name_of(form) == "对联"
    if any_couplet:
        signs = _as_couplet(signs)
    shape = form_of_text(signs)
    system = _system(rhyme, "pingshui")
    words = _words(signs)
    has_types = _has_types(words, shape)
    # 浣溪沙 is six lines of seven characters; quatrains and 律诗 are never taken for a tune that nobody has named.
    is_poem = (has_types and len(words) != 6) or is_couplet(shape)
    asked = shape if not form or (any_couplet and is_couplet(shape)) else parse(form)
    if not regulated(asked) and (form or not is_poem):
        ci = _as_tune(text, signs, form, rhyme)
        if ci is not None:
            return ci
    faults: list[Fault] = []
    if asked is not shape and (is_couplet(asked) != is_couplet(shape) or misfit(words, form)):
        faults.append(_misfit_fault(words, form))
    elif regulated(asked):
        faults += _form_faults(words, asked, system)
    kinds = ""
    licences: list[tuple[str, ...]] = [()] * len(words)
    sides_meet = is_couplet(shape) and len({len(word) for word in words[-1:] + words[len(words) // 2 - 1 :][:1]}) == 1
    if has_types:
        kinds, found = _types(tuple(words), system, rhyme != "off", is_couplet(shape))
        faults += found
        faults += _turned_ends(words, system) if is_couplet(shape) else []
        licences = _licences(words, kinds, system)
        if len(words) == 4 and [(fault.kind, fault.line) for fault in found] == [("失粘", 3)]:
            licences[2] += ("折腰",)
    elif sides_meet:
        faults += _couplet_faults(words, system)
    rhymed = Rhyme() if rhyme == "off" or not kinds or is_couplet(shape) else _rhyme(words, kinds, system)
    for number in _near_ends(words, kinds, rhymed, system):
        licences[number] += ("邻韵",)
    faults += [*rhymed.faults, *_repeated(words, kinds, shape)]
    lines = _lines(words, faults, system, kinds, licences)
    blemishes = {"重韵", "同位重字", "合掌"}
    is_regulated = bool(kinds or sides_meet) and not [fault for fault in faults if fault.kind not in blemishes]
    name = "对联" if is_couplet(shape) else form_of(signs)
    return Checked(text.strip(), name or shape_of(shape), is_regulated, lines, rhymed, tuple(faults))


def _system(rhyme: str, default: System) -> System:
    """Whose tones and rhymes count; those of the form where none is named, or none is asked for."""
    return next((system for system in SYSTEMS if system == rhyme), default)


def _lines(
    words: Sequence[str], faults: Sequence[Fault], system: System, kinds: str, licences: Sequence[tuple[str, ...]]
) -> tuple[Line, ...]:
    return tuple(
        Line(
            word,
            "".join(TONE_SIGNS[tone] for tone in _tones(word, system)),
            kinds[number : number + 1],
            tuple(dict.fromkeys(fault.kind for fault in faults if fault.line == number + 1)),
            tuple(licences[number]),
        )
        for number, word in enumerate(words)
    )


def _as_tune(text: str, signs: str, form: str, rhyme: str) -> Checked | None:
    """A ci, which is regulated where it keeps its tune; None: it has the lines of none.

    A pause (、) ends a line or is read over, whichever breaks less.
    """
    system = _system(rhyme, "cilin")
    readings = [_words(reading) for reading in dict.fromkeys((signs, signs.replace(PAUSE, "")))]
    found = [(words, tune) for words in readings if (tune := find_tune(words, form, system, rhyme != "off"))]
    if not found:
        return None
    words, tune = min(found, key=lambda one: len(one[1].faults))
    lines = _lines(words, tune.faults, system, "", tune.licences)
    strict = [fault for fault in tune.faults if fault.kind != "重韵"]
    rhymed = Rhyme(tune.rhyme, tuple(fault for fault in tune.faults if fault.kind == "出韵"))
    return Checked(text.strip(), tune.form, not strict, lines, rhymed, tune.faults)


def _as_couplet(signs: str) -> str:
    """Two lines of one length with a `-` between them, whichever mark they have there; all else as it is."""
    sides = _TWO_LINES.fullmatch(signs)
    return "-".join(sides.groups()) if sides and len(sides[1]) == len(sides[2]) else signs


def _misfit_fault(words: Sequence[str], form: str) -> Fault:
    """That a text has another form than was asked for, and its first line that shows it (0: none does by itself)."""
    found = misfit(words, form)
    return Fault("形式", found.line if found else 0)


def _words(signs: str) -> list[str]:
    """The lines of a text, without marks."""
    return ["".join(signs[place] for place in line) for line in lines_of(form_of_text(signs))]


def _has_types(words: Sequence[str], shape: Form) -> bool:
    lengths = {len(word) for word in words}
    if is_couplet(shape):
        return len(words) == 2 and lengths in ({5}, {7})
    return len(words) >= 4 and len(words) % 2 == 0 and lengths in ({5}, {7})


def _tones(word: str, system: System) -> list[int]:
    return [*(tone_of(sign, system) for sign in word[:-1]), end_tone_of(word[-1], system)]


@functools.cache
def _broken(word: str, kind: str, system: System) -> tuple[str, tuple[int, ...]]:
    """The pattern of a type that a line breaks at the fewest places, and these places."""
    tones = _tones(word, system)
    found = []
    for five in LINES[kind]:
        flags = line_flags(len(word), kind, five)
        found.append(
            (
                five,
                tuple(at for at, (tone, flag) in enumerate(zip(tones, flags, strict=True)) if tone and not tone & flag),
            )
        )
    return min(found, key=lambda one: len(one[1]))


def _types(words: tuple[str, ...], system: System, rhymed: bool, sides: bool) -> tuple[str, list[Fault]]:
    """The types of the lines that leave the least to be faulted, and the faults.

    A first line may end in a character of both tones: its rhyme settles which. The first of two `sides`, a couplet's,
    ends obliquely.
    """
    found = []
    rhymed = rhymed and not sides
    for first in _FIRST[:1] if sides else _FIRST:
        weight, kinds = _way(words, first, system)
        faulty = rhymed and any(fault.line == 1 for fault in _rhyme(words, kinds, system).faults)
        found.append((weight + faulty, kinds))
    kinds = min(found)[1]
    return kinds, _tone_faults(words, kinds, system)


def _way(words: tuple[str, ...], first: str, system: System) -> tuple[float, str]:
    """The lightest way on from a first line of some types: what it weighs, and its types."""
    # For each type that the last line may have: what the way there weighs, and its types.
    ways = {kind: (float(len(_broken(words[0], kind, system)[1])), kind) for kind in first}
    for number, word in enumerate(words[1:], 1):
        answers = number % 2 == 1
        nexts: dict[str, tuple[float, str]] = {}
        for kind in "乙丁" if answers else "甲丙":
            own = len(_broken(word, kind, system)[1])
            options = []
            for before, (weight, kinds) in ways.items():
                wanted = _ANSWERS[before] if answers else _ADHERES[before]
                options.append(
                    (weight + own + (0 if kind == wanted else (_UNOPPOSED if answers else _UNATTACHED)), kinds)
                )
            weight, kinds = min(options)
            nexts[kind] = weight, kinds + kind
        ways = nexts
    return min(ways.values())


def _tone_faults(words: Sequence[str], kinds: str, system: System) -> list[Fault]:
    faults = []
    for number, (word, kind) in enumerate(zip(words, kinds, strict=True)):
        five, places = _broken(word, kind, system)
        if number:
            answers = number % 2 == 1
            if kind != (_ANSWERS if answers else _ADHERES)[kinds[number - 1]]:
                faults.append(Fault("失对" if answers else "失粘", number + 1))
        tail = _tones(word, system)[-5:]
        if places and tail[2:] == [LEVEL] * 3:
            faults.append(Fault("三平尾", number + 1, len(word) - 2, word[-3]))
        elif kind == "乙" and places and _is_lonely(tail):
            faults.append(Fault("孤平", number + 1, len(word) - 3, word[-4]))
        else:
            faults += [Fault("出律", number + 1, place + 1, word[place]) for place in places]
        unsaved = LICENCES.get(five) == "大拗" and not places and number % 2 == 0
        if unsaved and not _tones(words[number + 1], system)[-3] & LEVEL:
            faults.append(Fault("大拗不救", number + 1, len(word) - 1, word[-2]))
    return faults


def _is_lonely(tail: Sequence[int]) -> bool:
    """仄平仄仄平."""
    return all(tone & flag for tone, flag in zip(tail, (OBLIQUE, LEVEL, OBLIQUE, OBLIQUE, LEVEL), strict=True))


def _licences(words: Sequence[str], kinds: str, system: System) -> list[tuple[str, ...]]:
    """What each line takes besides the table; the line that makes good a 大拗 before it is said to."""
    found: list[tuple[str, ...]] = []
    for word, kind in zip(words, kinds, strict=True):
        five, places = _broken(word, kind, system)
        name = "" if places else LICENCES.get(five, "")
        saves = bool(found) and "大拗" in found[-1] and bool(_tones(word, system)[-3] & LEVEL)
        found.append((name,) * bool(name) + ("对句救",) * saves)
    return found


def _form_faults(words: Sequence[str], form: Form, system: System) -> list[Fault]:
    """Characters where the form that was asked for has another character, or another tone."""
    faults = []
    for number, (word, line) in enumerate(zip(words, lines_of(form), strict=True), 1):
        for place, (sign, tone, slot) in enumerate(
            zip(word, _tones(word, system), (form[place] for place in line), strict=True), 1
        ):
            if slot.given not in ("", sign) or (tone and not tone & slot.tone):
                faults.append(Fault("形式", number, place, sign))
    return faults


def _turned_ends(words: Sequence[str], system: System) -> list[Fault]:
    """Sides whose last character has both tones, and is usually read in the one that does not belong there."""
    return [
        Fault("出律", number, len(word), word[-1])
        for number, word, wrong in ((1, words[0], LEVEL), (2, words[1], OBLIQUE))
        if tone_of(word[-1], system) == ANY and is_taken_for(wrong, word[-1], system)
    ]


def _couplet_faults(words: Sequence[str], system: System) -> list[Fault]:
    """Clauses that are not opposed at their even places, and sides that do not end 仄 and 平."""
    faults = []
    half = len(words) // 2
    for number, (one, other) in enumerate(zip(words[:half], words[half:], strict=True)):
        for place in (*range(1, len(one) - 1, 2), len(one) - 1):
            tones = [_tones(word, system)[place] for word in (one, other)]
            if 0 not in tones and tones[0] | tones[1] != ANY:
                faults.append(Fault("失对", half + number + 1, place + 1, other[place]))
    for line, word, tone in ((half, words[half - 1], OBLIQUE), (len(words), words[-1], LEVEL)):
        if (known := _tones(word, system)[-1]) and not known & tone:
            faults.append(Fault("出律", line, len(word), word[-1]))
    return faults


def _rhyme(words: Sequence[str], kinds: str, system: System) -> Rhyme:
    """The rhyme that most ends share, and the ends that do not have it."""
    numbers = [number for number, kind in enumerate(kinds) if kind in "乙丁"]
    known = {number: rhymes_of(words[number][-1], LEVEL, system) for number in numbers}
    counts = collections.Counter(name for names in known.values() for name in names)
    if not counts:
        return Rhyme("", tuple(Fault("出韵", number + 1, len(words[number]), words[number][-1]) for number in numbers))
    # Of rhymes that as many ends have, that of the first even line.
    name = max(counts, key=lambda one: (counts[one], one in known[1]))
    faults = []
    for number, names in known.items():
        sign = words[number][-1]
        near = name in liberties(sign) or (number == 0 and names & neighbours(name))
        if tone_of(sign, system) and name not in names and not (near and system == "pingshui"):
            faults.append(Fault("出韵", number + 1, len(words[number]), sign))
    return Rhyme(name, tuple(faults))


def _near_ends(words: Sequence[str], kinds: str, rhymed: Rhyme, system: System) -> list[int]:
    """Lines that rhyme with the others by a neighbour of their rhyme alone."""
    faulty = {fault.line for fault in rhymed.faults}
    return [
        number
        for number, kind in enumerate(kinds)
        if rhymed.name and kind in "乙丁" and number + 1 not in faulty and tone_of(words[number][-1], system)
        if rhymed.name not in rhymes_of(words[number][-1], LEVEL, system)
    ]


def _repeated(words: Sequence[str], kinds: str, shape: Form) -> list[Fault]:
    """Rhyme words that come twice, and parallel lines with a character at the same place, or of the same meaning."""
    faults = []
    if kinds and not is_couplet(shape):
        ends = [(number, word[-1]) for number, word in enumerate(words) if kinds[number] in "乙丁"]
        for place, (number, sign) in enumerate(ends):
            if sign in [before for _, before in ends[:place]]:
                faults.append(Fault("重韵", number + 1, len(words[number]), sign))
    for line, one, other in _parallel(words, shape):
        same = [place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a == b]
        faults += [Fault("同位重字", line, place + 1, other[place]) for place in same]
        faults += [Fault("合掌", line)] if say_the_same(one, other) else []
    return faults


def _parallel(words: Sequence[str], shape: Form) -> list[tuple[int, str, str]]:
    """Lines that are parallel: the number of the second, from 1, and both."""
    half = len(words) // 2
    if is_couplet(shape):
        return [(half + number + 1, words[number], words[half + number]) for number in range(half)]
    # Of a 律诗 and a 排律 all couplets but the first and the last.
    middle = range(2, len(words) - 3, 2) if len(words) >= 8 else ()
    return [(number + 2, words[number], words[number + 1]) for number in middle]
