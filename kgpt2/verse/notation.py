"""The notation of forms: from `7，7。7，7。` to what stands at each place of a poem.

    5        so many characters
    x        one character
    p, z     one level (平), one oblique (仄) character
    R, r     one character that rhymes with all others so marked: level, oblique
    R1, r1   the same where there are several rhymes: equal numbers rhyme, level and oblique with one another
    =3       the character that stands three characters before (叠句), with its tone and rhyme
    春       this character
    ，。-    this mark; half-width ones are read as full-width

Spaces mean nothing, but that a count behind `R`, `r` or `=3` needs one. `-` parts the sides of a couplet, which must
then be alike.
"""

import dataclasses
import functools
import itertools
import re
import unicodedata
from collections.abc import Sequence

from kgpt2.errors import RequestError, near, quoted
from kgpt2.verse.han import full_width, is_han
from kgpt2.verse.sounds import ANY, LEVEL, OBLIQUE
from kgpt2.verse.tunes import tune_names, tune_pattern

NAMED = {
    **{"五绝": "5，5。" * 2, "七绝": "7，7。" * 2, "五律": "5，5。" * 4, "七律": "7，7。" * 4},
    **{"五排": "5，5。" * 6, "七排": "7，7。" * 6, "对联": "7-7"},
}
SEPARATOR = "-"
# 七绝, 七言绝句, 五排20 (of twenty lines), 七绝首句入韵, 五律仄起首句不入韵式.
_REGULATED = re.compile("([五七])言?(绝|律|排)(?:[句诗律]?)([0-9]*)([平仄]起)?(首句不?入韵)?式?")
_LINES = {"绝": 4, "律": 8, "排": 12}
_DIGITS = str.maketrans("０１２３４５６７８９", "0123456789")
_SIMPLIFIED = _DIGITS | str.maketrans("絕對聯詩韻", "绝对联诗韵")
# Names of two forms each: which one, the length of a line decides.
_OF_TWO = {"绝句": ("五绝", "七绝"), "律诗": ("五律", "七律"), "絕句": ("五绝", "七绝"), "律詩": ("五律", "七律")}
_MOST = 100
_TONES = {"x": ANY, "p": LEVEL, "z": OBLIQUE, "R": LEVEL, "r": OBLIQUE}


@dataclasses.dataclass(frozen=True)
class Slot:
    """One place of a form.

    Attributes:
        mark: the mark that stands there; "": a character does.
        given: the character that must stand there; "": any.
        tone: the tones that will do, `LEVEL`, `OBLIQUE` or both.
        rhyme: the name of the rhyme that it shares with other places, "R", "r", or "1" to "9"; "": it does not rhyme.
        back: how many places before, marks counted, the same character stands; 0: it repeats none.
    """

    mark: str = ""
    given: str = ""
    tone: int = ANY
    rhyme: str = ""
    back: int = 0


Form = tuple[Slot, ...]


@functools.lru_cache(maxsize=1024)
def parse(pattern: str) -> Form:
    """The places of a form.

    Args:
        pattern: a name in `NAMED`, a tune (see `tunes`), or the notation above.

    Raises:
        RequestError: the notation does not allow it.

    Example:
        >>> len(parse("五绝"))
        24
        >>> [slot.mark for slot in parse("pz，")]
        ['', '', '，']
    """
    text = _written_out(pattern)
    slots: list[Slot] = []
    place = 0
    while place < len(text):
        sign = text[place]
        digits = len(text[place:]) - len(text[place:].lstrip("0123456789"))
        if digits:
            count = int(text[place : place + min(digits, 4)])
            if not 0 < count <= _MOST:
                raise _refusal(pattern, f"{text[place : place + digits]} characters in a row: 1 to {_MOST} will do")
            slots += [Slot()] * count
            place += digits
            continue
        if sign in "Rr":
            number = text[place + 1 : place + 2]
            numbered = number.isascii() and number.isdigit() and number != "0"
            slots.append(Slot(tone=_TONES[sign], rhyme=number if numbered else sign))
            place += numbered
        elif sign == "=":
            slots.append(_repeating(pattern, slots, text[place + 1 :]))
            place += len(_count(text[place + 1 :]))
        elif sign in _TONES:
            slots.append(Slot(tone=_TONES[sign]))
        elif is_han(sign):
            slots.append(Slot(given=sign))
        elif unicodedata.category(sign).startswith("P"):
            slots.append(Slot(mark=full_width(f"一{sign}")[1:]))
        elif not sign.isspace():
            raise _refusal(pattern, f"{quoted(sign)} means nothing in a form")
        place += 1
    form = tuple(slots)
    # Characters mean themselves: a name that is not known would be written out as it is.
    if all(slot.mark or slot.given for slot in form):
        raise _refusal(pattern, f"neither a name that is known nor a pattern with open places{_near(pattern)}")
    sides = sides_of(form)
    if len(sides) > 1 and (len(sides) > 2 or shape_of(sides[0]) != shape_of(sides[1])):
        raise _refusal(pattern, "the two sides of a couplet are of equal length, with the same marks")
    return form


def _repeating(pattern: str, slots: Sequence[Slot], behind: str) -> Slot:
    """The place that repeats a character of those before it; how far back, stands in front of what is behind."""
    count = _count(behind)
    characters = [place for place, slot in enumerate(slots) if not slot.mark]
    if not 0 < int(count or 0) <= len(characters):
        raise _refusal(pattern, f"={count} repeats a character that is not there: =1 is the one just before")
    origin = characters[-int(count)]
    return dataclasses.replace(slots[origin], back=len(slots) - origin)


def _count(text: str) -> str:
    """The one or two digits that a text begins with."""
    return "".join(itertools.takewhile(lambda sign: sign in "0123456789", text[:2]))


def _written_out(pattern: str) -> str:
    """The notation of a name; of what is none, itself."""
    if pattern in _OF_TWO:
        five, seven = _OF_TWO[pattern]
        raise RequestError(f"--form {quoted(pattern)}: {five} (lines of five characters) or {seven} (of seven)?")
    name = name_of(pattern)
    if own := _REGULATED.fullmatch(name):
        return _regulated(pattern, own)
    if tune_pattern(name.rstrip("0123456789")) and not tune_pattern(name):
        raise _refusal(pattern, "the tune has no variant of this number")
    return NAMED.get(name) or tune_pattern(name) or name.translate(_DIGITS)


def _regulated(pattern: str, name: re.Match[str]) -> str:
    """The notation of a 绝句, 律诗 or 排律: so many lines, and what its name says of the first."""
    length, kind, number, begins, ends = name.groups()
    count = int(number[:4] or _LINES[kind])
    if count != _LINES[kind] and (kind != "排" or count % 2 or not 10 <= count <= _MOST):
        rule = f"an even number from 10 to {_MOST}" if kind == "排" else f"{_LINES[kind]}"
        raise _refusal(pattern, f"lines of a {length}{kind}: {rule}")
    line = ["x"] * (5 if length == "五" else 7)
    if begins:
        line[1] = "p" if begins == "平起" else "z"
    if ends:
        line[-1] = "p" if ends == "首句入韵" else "z"
    return f"{''.join(line)}，{len(line)}。" + f"{len(line)}，{len(line)}。" * (count // 2 - 1)


def name_of(pattern: str) -> str:
    """The shortest name of a 绝句, 律诗, 排律 or couplet that is called otherwise; all else as it is.

    Example:
        >>> name_of("七言绝句"), name_of("五言排律20")
        ('七绝', '五排20')
    """
    name = pattern.translate(_SIMPLIFIED)
    if own := _REGULATED.fullmatch(name):
        return "".join(part or "" for part in own.groups())
    return name if name in NAMED or tune_pattern(name) else pattern


def one_of_two(pattern: str, beginning: str) -> str:
    """The form that a name of two means in front of a beginning: lines of five where its first has five, else of seven.

    Returns:
        The form's name; "": the pattern is no such name.

    Example:
        >>> one_of_two("绝句", "床前明月光，"), one_of_two("绝句", ""), one_of_two("七绝", "")
        ('五绝', '七绝', '')
    """
    five, seven = _OF_TWO.get(pattern, ("", ""))
    first = next((place for place, sign in enumerate(beginning) if not is_han(sign)), len(beginning))
    return five if first == 5 else seven


def lines_of(form: Form) -> list[list[int]]:
    """The places of each line: the runs of characters between marks.

    Example:
        >>> lines_of(parse("2，3。"))
        [[0, 1], [3, 4, 5]]
    """
    lines: list[list[int]] = [[]]
    for place, slot in enumerate(form):
        if slot.mark:
            lines.append([])
        else:
            lines[-1].append(place)
    return [line for line in lines if line]


def own_rhymes(form: Form) -> bool:
    """Whether the form itself says which places rhyme.

    Example:
        >>> own_rhymes(parse("xR。xR。")), own_rhymes(parse("七绝"))
        (True, False)
    """
    return any(slot.rhyme for slot in form)


def sides_of(form: Form) -> list[Form]:
    """The two sides of a couplet; a form that is none as a whole.

    Example:
        >>> [len(side) for side in sides_of(parse("7-7"))]
        [7, 7]
    """
    cuts = [place for place, slot in enumerate(form) if slot.mark == SEPARATOR]
    return [form[start:end] for start, end in zip([0, *(cut + 1 for cut in cuts)], [*cuts, len(form)], strict=True)]


def shape_of(form: Form) -> str:
    """Characters and marks alone, such as `5，5。`.

    Example:
        >>> shape_of(form_of_text("白日依山尽，黄河入海流。"))
        '5，5。'
    """
    shape = ""
    run = 0
    for slot in form:
        if slot.mark:
            shape += (str(run) if run else "") + slot.mark
            run = 0
        else:
            run += 1
    return shape + (str(run) if run else "")


def form_of_text(text: str) -> Form:
    """The form that a text has: a place for each of its characters and marks.

    Example:
        >>> shape_of(form_of_text("春风, 桃李"))
        '2，2'
    """
    return tuple(Slot() if is_han(sign) else Slot(mark=sign) for sign in full_width(text) if not sign.isspace())


def _near(name: str) -> str:
    """A known name that is close: of those of two characters, one that shares a character."""
    return near(name.translate(_SIMPLIFIED), [*NAMED, *tune_names()], 0.5) if 1 < len(name) <= 6 else ""


def _refusal(pattern: str, reason: str) -> RequestError:
    return RequestError(
        f"--form {quoted(pattern)}: {reason}\n"
        f"{', '.join(NAMED)}, a 词牌 (kgpt2 verse forms), or a pattern: 7，7。7，7。 (see docs/verse.md)"
    )
