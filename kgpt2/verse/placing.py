"""Where keywords stand in a form: at places whose tones and rhyme they have, drawn anew for each text."""

from collections.abc import Sequence

import numpy as np

from kgpt2.verse.notation import Form, lines_of
from kgpt2.verse.rules import Need


def place_words(words: Sequence[str], form: Form, needs: Sequence[Need], draw: np.random.Generator) -> dict[int, str]:
    """The characters of words at open places of a form, as many words as there is room for.

    A word begins where words do: at an odd place of its line, or so that it ends the line. Lines without a word are
    taken first. No two words share a character.

    Args:
        words: what the text is to hold.
        form: the places.
        needs: what each of the last places must be; those before are not open.
        draw: where the words come to stand.

    Returns:
        Characters by place of the form.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> placed = place_words(["明月"], parse("5，5。"), [Need()] * 12, np.random.default_rng(0))
        >>> "".join(placed.values())
        '明月'
    """
    begun = len(form) - len(needs)
    placed: dict[int, str] = {}
    crowded: dict[int, int] = {}
    for word in words:
        if {*word} & {*placed.values()}:
            continue
        rooms = [
            (crowded.get(number, 0), line[start : start + len(word)], number)
            for number, line in enumerate(lines_of(form))
            for start in sorted({*range(0, len(line) - len(word) + 1, 2), len(line) - len(word)})
            if start >= 0 and line[start] >= begun
        ]
        rooms = [room for room in rooms if _fits(word, room[1], needs, begun, placed)]
        fewest = min((crowd for crowd, _, _ in rooms), default=0)
        if rooms := [room for room in rooms if room[0] == fewest]:
            _, places, number = rooms[int(draw.integers(len(rooms)))]
            placed |= dict(zip(places, word, strict=True))
            crowded[number] = crowded.get(number, 0) + 1
    return placed


def _fits(word: str, places: Sequence[int], needs: Sequence[Need], begun: int, placed: dict[int, str]) -> bool:
    """Whether a word can stand at these places."""
    wanted = [needs[place - begun] for place in places]
    return not any(
        need.given or need.back or place in placed or not need.allows(sign)
        for sign, place, need in zip(word, places, wanted, strict=True)
    )
