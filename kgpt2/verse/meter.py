"""The tones of regulated verse and of couplets: which places are level, which are oblique, and what may stand instead.

Source: the line types, their order and their licences (拗救) are those of 王力, 诗词格律 (1962), chapters 2 and 3.
`strict` holds every place of his table and nothing else. `tang` takes the licences of Tang verse besides. `loose` holds
the even places and the end of a line (一三五不论，二四六分明), without 三平尾 and 孤平, and takes what `tang` takes.
"""

import itertools
from collections.abc import Sequence
from typing import Literal

from kgpt2.verse.notation import SEPARATOR, Form, lines_of, own_rhymes
from kgpt2.verse.sounds import ANY, LEVEL, OBLIQUE

Tones = Literal["off", "loose", "tang", "strict"]
# For each place the tone that it must have; a place that may have either is left out.
Pattern = dict[int, int]
# The patterns that will do, the plainest first.
Choice = list[Pattern]
# A way to be regulated: its stretches, each with a choice of its own.
Way = list[Choice]

_FLAGS = {"平": LEVEL, "仄": OBLIQUE, "中": ANY}
# The types of line, of five characters: the table, and behind it what may stand instead.
LINES = {
    "甲": ("中仄平平仄", "中仄仄平仄", "中仄中仄仄"),
    "乙": ("平平仄仄平", "平平平仄平", "仄平平仄平"),
    "丙": ("中平平仄仄", "中平仄平仄", "中平仄仄仄"),
    "丁": ("中仄仄平平",),
}
LICENCES = {
    "中仄仄平仄": "小拗",
    "中仄中仄仄": "大拗",
    "仄平平仄平": "孤平拗救",
    "中平仄平仄": "锦鲤翻波",
    "中平仄仄仄": "三仄尾",
}
_LOOSE = {
    "甲": ("中仄中平仄", "中仄中仄仄"),
    "乙": ("平平中仄平", "中平平仄平"),
    "丙": ("中平中仄仄", "中平仄平仄"),
    "丁": ("中仄仄平平",),
}
# 大拗 is made good by a level third place in the next line.
_UNSAVED = "中仄中仄仄"
# Two characters in front of each make the line of seven: the second is opposed to the second of the five.
_FRONT = {"甲": "中平", "乙": "中仄", "丙": "中仄", "丁": "中平"}
# 仄起 and 平起 (of lines of five), each with the first line unrhymed and rhymed.
ORDERS = ("甲乙丙丁", "丁乙丙丁", "丙丁甲乙", "乙丁甲乙")
_COUPLETS = ("甲乙", "丙丁")


def regulated(form: Form) -> bool:
    """Whether the form is that of a 绝句, 律诗 or 排律.

    Four or eight lines, or an even number from ten on, all of five or all of seven characters. A pattern that says
    itself what rhymes is none of these.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> regulated(parse("五绝")), regulated(parse("7-7"))
        (True, False)
    """
    lengths = [len(line) for line in lines_of(form)]
    counted = len(lengths) in (4, 8) or (len(lengths) >= 10 and len(lengths) % 2 == 0)
    return counted and set(lengths) in ({5}, {7}) and not is_couplet(form) and not own_rhymes(form)


def is_couplet(form: Form) -> bool:
    """Whether the form has two sides.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> is_couplet(parse("7-7"))
        True
    """
    return any(slot.mark == SEPARATOR for slot in form)


def kinds_of(order: str, lines: int) -> str:
    """The types of all lines of a 绝句, 律诗 or 排律 whose first four have this order.

    Example:
        >>> kinds_of("丁乙丙丁", 8)
        '丁乙丙丁甲乙丙丁'
    """
    # What follows goes on as if the first line had not rhymed.
    unrhymed = {"丁乙": "甲", "乙丁": "丙"}.get(order[:2], order[0])
    return (order + (unrhymed + order[1:]) * (lines // 4))[:lines]


def orders_of(form: Form) -> Sequence[str]:
    """The types of the first four lines of a regulated form, in each way that its own tones leave to the first line.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> orders_of(parse("七绝首句入韵")), orders_of(parse("五绝平起首句不入韵"))
        (('丁乙丙丁', '乙丁甲乙'), ('丙丁甲乙',))
    """
    first = lines_of(form)[0]
    tones = {order: line_flags(len(first), order[0], LINES[order[0]][0]) for order in ORDERS}
    ends = (1, len(first) - 1)
    fitting = tuple(order for order in ORDERS if all(form[first[end]].tone & tones[order][end] for end in ends))
    # A form that has none is refused where its tones are fitted.
    return fitting or ORDERS


def verse_ways(form: Form, tones: Tones) -> list[Way]:
    """The ways in which a regulated form can be level and oblique: 对 within couplets, 粘 between them.

    The stretches of a way are its couplets.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> [len(way) for way in verse_ways(parse("五绝"), "tang")]
        [2, 2, 2, 2]
    """
    lines = lines_of(form)
    ways = []
    for order in orders_of(form):
        kinds = kinds_of(order, len(lines))
        couplets = range(0, len(lines), 2)
        ways.append([_couplet(lines[one : one + 2], kinds[one : one + 2], tones) for one in couplets])
    return ways


def couplet_ways(form: Form, tones: Tones) -> list[list[Way]]:
    """For each pair of opposite clauses the ways in which they can be opposed; the last clause ends 仄, then 平.

    The last clauses of five and seven characters are, unless loose, a couplet of regulated verse. Others alternate at
    their even places and are opposed there and at their ends.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> [len(ways) for ways in couplet_ways(parse("7-7"), "strict")]
        [2]
    """
    lines = lines_of(form)
    half = len(lines) // 2
    pairs: list[list[Way]] = []
    for number, pair in enumerate(zip(lines[:half], lines[half:], strict=True)):
        last = number == half - 1
        if tones != "loose" and last and len(pair[0]) in (5, 7):
            pairs.append([[_couplet(pair, kinds, tones)] for kinds in _COUPLETS])
        else:
            pairs.append([[[pattern]] for pattern in _opposed(*pair, last)])
    return pairs


def even_patterns(form: Form) -> list[Pattern]:
    """The even places and the ends of the lines of a regulated form, in each of its ways.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> sorted(even_patterns(parse("五绝"))[0])
        [1, 3, 4, 7, 9, 10, 13, 15, 16, 19, 21, 22]
    """
    lines = lines_of(form)
    patterns = []
    for order in orders_of(form):
        pattern: Pattern = {}
        for line, kind in zip(lines, kinds_of(order, len(lines)), strict=True):
            whole = _line(line, kind, LINES[kind][0])
            pattern |= {place: whole[place] for place in (*line[1::2], line[-1])}
        patterns.append(pattern)
    return patterns


def rhyme_places(form: Form, pattern: Pattern | None) -> list[int]:
    """The places of a regulated form that rhyme: the ends of even lines, and of the first where its tone is level.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> rhyme_places(parse("五绝"), None)
        [10, 22]
    """
    ends = [line[-1] for line in lines_of(form)]
    first = ends[:1] if LEVEL in ((pattern or {}).get(ends[0]), form[ends[0]].tone) else []
    return first + ends[1::2]


def opposite(tone: int) -> int:
    """The other tone; of both, both.

    Example:
        >>> opposite(LEVEL) == OBLIQUE, opposite(ANY) == ANY
        (True, True)
    """
    return tone if tone == ANY else ANY ^ tone


def _couplet(lines: Sequence[list[int]], kinds: str, tones: Tones) -> Choice:
    """What two lines of these types can be, the fewer liberties the earlier."""
    first, second = (_LOOSE[kind] if tones == "loose" else LINES[kind] for kind in kinds)
    if tones == "strict":
        first, second = first[:1], second[:1]
    pairs = list(itertools.product(enumerate(first), enumerate(second)))
    pairs.sort(key=lambda pair: pair[0][0] + pair[1][0])
    return [
        _line(lines[0], kinds[0], one) | _line(lines[1], kinds[1], other)
        for (_, one), (_, other) in pairs
        if one != _UNSAVED or other[2] == "平"
    ]


def line_flags(length: int, kind: str, five: str) -> list[int]:
    """The tones of a line of five or seven characters: of its type, in one of the patterns of `LINES`.

    Example:
        >>> line_flags(5, "丁", "中仄仄平平") == [ANY, OBLIQUE, OBLIQUE, LEVEL, LEVEL]
        True
    """
    return [_FLAGS[tone] for tone in (five if length == 5 else _FRONT[kind] + five)]


def _line(places: list[int], kind: str, five: str) -> Pattern:
    flags = line_flags(len(places), kind, five)
    return {place: flag for place, flag in zip(places, flags, strict=True) if flag != ANY}


def _opposed(first: list[int], second: list[int], last: bool) -> list[Pattern]:
    """A clause and its opposite: even places that alternate, and an end."""
    ways = []
    for begin, end in itertools.product((LEVEL, OBLIQUE), (OBLIQUE,) if last else (LEVEL, OBLIQUE)):
        tones = {index: begin if index % 4 == 1 else opposite(begin) for index in range(1, len(first), 2)}
        if tones.setdefault(len(first) - 1, end) == end:
            pattern = {first[index]: tone for index, tone in tones.items()}
            ways.append(pattern | {second[index]: opposite(tone) for index, tone in tones.items()})
    return ways
