"""How a character sounds: level or oblique, and what it rhymes with.

Three tables (see assets/verse/README.md), each for simplified and traditional characters: the tones that Tang and Song
verse gives a character; the 106 rhymes of 平水韵; the 14 rhymes and the tones of today (中华新韵). A character with two
readings counts as both.
"""

import functools
from typing import Literal

from kgpt2.assets import verse_table

System = Literal["pingshui", "modern"]
# Flags of a tone: 平, 仄.
LEVEL, OBLIQUE = 1, 2
ANY = LEVEL | OBLIQUE
_FLAGS = {"平": LEVEL, "仄": OBLIQUE}


def tone_of(character: str, system: System = "pingshui") -> int:
    """LEVEL, OBLIQUE, both (`ANY`), or 0 where the table does not have the character.

    Args:
        character: one character.
        system: "pingshui": as classical verse uses it; "modern": as it is read today.

    Example:
        >>> tone_of("春") == LEVEL, tone_of("月") == OBLIQUE
        (True, True)
    """
    return _tones(system).get(character, 0)


def rhymes_of(character: str, tone: int, system: System = "pingshui") -> frozenset[str]:
    """The names of the rhymes that a character has in a tone (LEVEL or OBLIQUE); none: the table does not have it.

    Example:
        >>> sorted(rhymes_of("流", LEVEL))
        ['下平声十一尤']
    """
    return _rhymes(system, tone).get(character, frozenset())


def rhymes(tone: int, system: System = "pingshui") -> tuple[str, ...]:
    """The names of all rhymes of a tone.

    Example:
        >>> len(rhymes(LEVEL))
        30
        >>> rhymes(LEVEL)[:3]
        ('上平声一東', '上平声二冬', '上平声三江')
    """
    return tuple(dict.fromkeys(name for flag, name, _ in _rows(system) if flag == tone))


@functools.cache
def _rows(system: str) -> tuple[tuple[int, str, str], ...]:
    """(tone, rhyme, characters) of each line of a table."""
    lines = verse_table(system).read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return tuple((_FLAGS[tone], name, characters) for tone, name, characters in rows)


@functools.cache
def _tones(system: System) -> dict[str, int]:
    # 平水韵 lists rare readings; for tones the verse itself is the better witness.
    rows = _rows("tones" if system == "pingshui" else system)
    tones: dict[str, int] = {}
    for tone, _, characters in rows:
        for character in characters:
            tones[character] = tones.get(character, 0) | tone
    return tones


@functools.cache
def _rhymes(system: System, tone: int) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for flag, name, characters in _rows(system):
        if flag == tone:
            for character in characters:
                found.setdefault(character, set()).add(name)
    return {character: frozenset(names) for character, names in found.items()}
