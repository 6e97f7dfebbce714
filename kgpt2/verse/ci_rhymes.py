"""What rhymes in a ci: the parts of 词林正韵, and the parts that Song ci mix with one another."""

import collections
import functools
from collections.abc import Mapping
from typing import NamedTuple

from kgpt2.verse.cilin import circles_of_parts, circles_of_rhyme
from kgpt2.verse.sounds import System, end_tone_of, families, rhymes_of


class Rhymed(NamedTuple):
    """How some places rhyme.

    Attributes:
        name: of the rhyme that most of them share; "": they share none.
        out: the places that do not have it.
        near: the places that have a neighbour instead, which Song ci take as well (邻韵).
    """

    name: str
    out: tuple[int, ...]
    near: tuple[int, ...]


def rhymed(signs: Mapping[int, str], tones: Mapping[int, int], system: System) -> Rhymed:
    """The rhyme of some places of a text; those of another tone, or of no rhyme that is known, do not count.

    Args:
        signs: the character at each place.
        tones: the tone that belongs there; level and oblique places rhyme with one another (平仄通押).
        system: whose rhymes; neighbours are those of cilin.

    Example:
        >>> rhymed({4: "春", 9: "人", 14: "情"}, {4: 1, 9: 1, 14: 1}, "cilin")
        Rhymed(name='第六部平', out=(), near=(14,))
    """
    mixed = len({*tones.values()}) > 1
    known = {place: own for place, sign in signs.items() if (own := _names(sign, tones[place], mixed, system))}
    name, sharing = _most_shared(known)
    circles = {place: circles_of(signs[place], tones[place]) for place in known} if system == "cilin" else {}
    _, circle = _most_shared(circles)
    if len(circle) > len(sharing):
        name, sharing = _most_shared({place: known[place] for place in circle})
    else:
        circle = sharing
    out = tuple(place for place in known if place not in circle)
    return Rhymed(name, out, tuple(place for place in circle if place not in sharing))


@functools.lru_cache(maxsize=10000)
def circles_of(character: str, tone: int) -> frozenset[str]:
    """The circles of parts, mixed by Song ci, that a character is in.

    Example:
        >>> sorted(circles_of("春", 1)), sorted(circles_of("回", 1)), sorted(circles_of("东", 1))
        (['第六、十一、十三部'], ['第三、五部'], [])
    """
    parts = frozenset().union(*(families(name, "cilin") for name in rhymes_of(character, tone, "cilin")))
    split = (circles_of_rhyme(name) for name in rhymes_of(character, tone))
    return circles_of_parts(parts).union(*split)


def _names(sign: str, tone: int, mixed: bool, system: System) -> frozenset[str]:
    if not end_tone_of(sign, system) & tone:
        return frozenset()
    own = rhymes_of(sign, tone, system)
    return frozenset().union(*(families(one, system) for one in own)) if mixed else own


def _most_shared(known: Mapping[int, frozenset[str]]) -> tuple[str, tuple[int, ...]]:
    """The name that most places have, "" where none has any, and these places."""
    counts = collections.Counter(name for own in known.values() for name in own)
    name = max(counts, key=lambda one: (counts[one], one), default="")
    return name, tuple(place for place, own in known.items() if name in own)
