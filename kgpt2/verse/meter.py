"""The tones of regulated verse and of couplets: which places are level, which are oblique.

Source: the line types, their freedoms and their order are those of 王力, 诗词格律 (1962), chapters 2 and 3. `strict`
holds every place that he holds; `loose` holds the even places and the end of a line (一三五不论，二四六分明).
"""

import itertools
from typing import Literal

from kgpt2.verse.notation import SEPARATOR, Form, lines_of
from kgpt2.verse.sounds import ANY, LEVEL, OBLIQUE

Tones = Literal["off", "loose", "strict"]
# For each place the tones that will do: one of the ways in which a form can be regulated.
Pattern = dict[int, int]

_FLAGS = {"平": LEVEL, "仄": OBLIQUE, "中": ANY}
_FIVE = {"甲": "中仄平平仄", "乙": "平平仄仄平", "丙": "中平平仄仄", "丁": "中仄仄平平"}
# Two characters in front of each make the line of seven: the second is opposed to the second of the five.
_SEVEN = {"甲": "中平中仄平平仄", "乙": "中仄平平仄仄平", "丙": "中仄中平平仄仄", "丁": "中平中仄仄平平"}
# 仄起 and 平起 (of lines of five), each with the first line unrhymed and rhymed.
_ORDERS = ("甲乙丙丁", "丁乙丙丁", "丙丁甲乙", "乙丁甲乙")
_COUPLETS = (("甲", "乙"), ("丙", "丁"))


def regulated(form: Form) -> bool:
    """Whether the form is that of a 绝句 or 律诗: four or eight lines, all of five or all of seven characters.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> regulated(parse("五绝")), regulated(parse("7-7"))
        (True, False)
    """
    lengths = [len(line) for line in lines_of(form)]
    return len(lengths) in (4, 8) and set(lengths) in ({5}, {7}) and not is_couplet(form)


def is_couplet(form: Form) -> bool:
    """Whether the form has two sides.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> is_couplet(parse("7-7"))
        True
    """
    return any(slot.mark == SEPARATOR for slot in form)


def verse_patterns(form: Form, tones: Tones) -> list[Pattern]:
    """The ways in which a regulated form can be level and oblique: 对 within couplets, 粘 between them.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> len(verse_patterns(parse("五绝"), "strict"))
        4
    """
    lines = lines_of(form)
    patterns = []
    for order in _ORDERS:
        # The second half of a 律诗 goes on as if the first line had not rhymed.
        unrhymed = {"丁乙": "甲", "乙丁": "丙"}.get(order[:2], order[0])
        kinds = (order + unrhymed + order[1:])[: len(lines)]
        pattern: Pattern = {}
        for line, kind in zip(lines, kinds, strict=True):
            pattern |= _line(line, kind, tones)
        patterns.append(pattern)
    return patterns


def couplet_patterns(form: Form, tones: Tones) -> list[list[Pattern]]:
    """For each pair of opposite clauses the ways in which they can be opposed; the last clause ends 仄, then 平.

    Clauses of five and seven characters are, when strict, a couplet of regulated verse. Others alternate at their even
    places and are opposed there and at their ends.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> [len(ways) for ways in couplet_patterns(parse("7-7"), "strict")]
        [2]
    """
    lines = lines_of(form)
    half = len(lines) // 2
    pairs = []
    for number, (first, second) in enumerate(zip(lines[:half], lines[half:], strict=True)):
        last = number == half - 1
        if tones == "strict" and last and len(first) in (5, 7):
            pairs.append([_line(first, up, tones) | _line(second, down, tones) for up, down in _COUPLETS])
        else:
            pairs.append(_opposed(first, second, last))
    return pairs


def rhyme_places(form: Form, pattern: Pattern | None) -> list[int]:
    """The places of a regulated form that rhyme: the ends of even lines, and of the first where its tone is level.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> rhyme_places(parse("五绝"), None)
        [10, 22]
    """
    ends = [line[-1] for line in lines_of(form)]
    first = ends[:1] if pattern and pattern.get(ends[0]) == LEVEL else []
    return first + ends[1::2]


def opposite(tone: int) -> int:
    """The other tone; of both, both.

    Example:
        >>> opposite(LEVEL) == OBLIQUE, opposite(ANY) == ANY
        (True, True)
    """
    return tone if tone == ANY else ANY ^ tone


def _line(places: list[int], kind: str, tones: Tones) -> Pattern:
    flags = [_FLAGS[tone] for tone in (_FIVE if len(places) == 5 else _SEVEN)[kind]]
    held = range(len(places)) if tones == "strict" else [*range(1, len(places), 2), len(places) - 1]
    return {places[index]: flags[index] for index in held if flags[index] != ANY}


def _opposed(first: list[int], second: list[int], last: bool) -> list[Pattern]:
    """A clause and its opposite: even places that alternate, and an end."""
    ways = []
    for begin, end in itertools.product((LEVEL, OBLIQUE), (OBLIQUE,) if last else (LEVEL, OBLIQUE)):
        tones = {index: begin if index % 4 == 1 else opposite(begin) for index in range(1, len(first), 2)}
        if tones.setdefault(len(first) - 1, end) == end:
            pattern = {first[index]: tone for index, tone in tones.items()}
            ways.append(pattern | {second[index]: opposite(tone) for index, tone in tones.items()})
    return ways
