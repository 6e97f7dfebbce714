"""How well a text keeps the rules of verse: its shape, its tones, its rhymes, its parallels.

Rules that speak of counts give a pair, how many places or pairs hold and how many there are, so that texts of any
length can be summed.
"""

import collections
import functools
import itertools

from kgpt2.assets import verse_table
from kgpt2.verse.han import is_han
from kgpt2.verse.meter import couplet_ways, even_patterns, regulated, rhyme_places
from kgpt2.verse.notation import Form, form_of_text, lines_of, sides_of
from kgpt2.verse.sounds import LEVEL, System, rhymes_of, tone_of

Count = tuple[int, int]


def same_shape(text: str, other: str) -> bool:
    """Whether two texts have lines of equal lengths and the same marks at the same places.

    Example:
        >>> same_shape("春眠不觉晓，", "白日依山尽，")
        True
    """
    return form_of_text(text) == form_of_text(other)


def is_regulated(text: str) -> bool:
    """Whether a text has the shape of a 绝句, a 律诗 or a couplet.

    Example:
        >>> is_regulated("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。")
        True
    """
    form = form_of_text(text)
    # Most long poems are old-style ones, no 排律.
    return (regulated(form) and len(lines_of(form)) <= 8) or _is_couplet(form)


def tones_kept(text: str, system: System = "pingshui") -> Count:
    """Even places and line ends that have the tone of the pattern which the text keeps best; see `meter`.

    Example:
        >>> tones_kept("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。")
        (12, 12)
    """
    form = form_of_text(text)
    tones = [tone_of(sign, system) for sign in _signs(text)]
    parts = [even_patterns(form)] if regulated(form) else []
    if _is_couplet(form):
        parts = [[pattern for ((pattern,),) in ways] for ways in couplet_ways(form, "loose")]
    kept = held = 0
    for patterns in parts:
        counts = []
        for pattern in patterns:
            known = [place for place in pattern if tones[place]]
            counts.append((sum(bool(tones[place] & pattern[place]) for place in known), len(known)))
        best = max(counts)
        kept, held = kept + best[0], held + best[1]
    return kept, held


def rhymes_kept(text: str, system: System = "pingshui") -> Count:
    """Of the ends of even lines of regulated verse the pairs that share a level rhyme.

    Example:
        >>> rhymes_kept("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。")
        (1, 1)
    """
    form, signs = form_of_text(text), _signs(text)
    if not regulated(form):
        return 0, 0
    ends = [rhymes_of(signs[place], LEVEL, system) for place in rhyme_places(form, None)]
    pairs = list(itertools.combinations(ends, 2))
    return sum(bool(one & other) for one, other in pairs), len(pairs)


def characters_repeated(text: str) -> Count:
    """Characters that the text had before.

    Example:
        >>> characters_repeated("年年岁岁花相似")
        (2, 7)
    """
    counts = collections.Counter(filter(is_han, text))
    return counts.total() - len(counts), counts.total()


def parallels_kept(text: str) -> Count:
    """Places of parallel lines at which two words of one class meet; lines that repeat a character keep none.

    Parallel are the sides of a couplet, and lines 3 and 4, 5 and 6 of a 律诗. A class is of characters that stand
    opposite the same others in Song verse (assets/verse/README.md); places with a rarer character do not count. The
    same character in both lines, at the same place or another, voids their parallel (重字), and so does one that comes
    twice in a line, but for a doubled one (悠悠) and where the other line repeats one at the same places.

    Example:
        >>> parallels_kept("海内存知己-天涯若比邻"), parallels_kept("海内存知己-天涯若内邻")
        ((4, 5), (0, 5))
    """
    form, signs = form_of_text(text), _signs(text)
    lines = lines_of(form)
    couplets = []
    if _is_couplet(form):
        half = len(lines) // 2
        couplets = [(list(itertools.chain(*lines[:half])), list(itertools.chain(*lines[half:])))]
    elif regulated(form) and len(lines) == 8:
        couplets = [(lines[2], lines[3]), (lines[4], lines[5])]
    kept = known = 0
    for one, other in (("".join(signs[place] for place in line) for line in pair) for pair in couplets):
        void = bool({*one} & {*other}) or _twice(one) != _twice(other)
        for pair in zip(one, other, strict=True):
            classes = {_classes().get(sign) for sign in pair}
            known += None not in classes
            kept += None not in classes and len(classes) == 1 and not void
    return kept, known


def _twice(line: str) -> set[tuple[int, int]]:
    """The pairs of places that have the same character, but one behind the other."""
    places = itertools.combinations(range(len(line)), 2)
    return {(one, other) for one, other in places if line[one] == line[other] and other > one + 1}


@functools.cache
def _classes() -> dict[str, str]:
    """The class of each character that has one."""
    rows = (line.split("\t") for line in verse_table("classes").read_text("utf-8").splitlines())
    return {character: number for _, number, characters in rows for character in characters}


def _signs(text: str) -> list[str]:
    """The characters and marks, as `form_of_text` counts them."""
    return [sign for sign in text if not sign.isspace()]


def _is_couplet(form: Form) -> bool:
    """Whether the form has two sides, and they are alike."""
    sides = sides_of(form)
    return len(sides) == 2 and sides[0] == sides[1] and bool(lines_of(form))
