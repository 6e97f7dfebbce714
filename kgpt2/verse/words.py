"""Words of verse: pairs of characters that stand together, by counts over Tang and Song (assets/verse/README.md)."""

import functools
import random
import re

from kgpt2.assets import verse_table
from kgpt2.verse.han import HAN

_LINE = re.compile(f"[{HAN}]+")


def words_in(text: str) -> list[str]:
    """The words of a text, in its order, each once; none overlaps the one before it.

    Example:
        >>> words_in("独在异乡为异客，每逢佳节倍思亲。")
        ['异乡', '佳节']
    """
    found: dict[str, None] = {}
    for line in _LINE.findall(text):
        place = 0
        while place < len(line) - 1:
            word = line[place : place + 2]
            if word in _words():
                found[word] = None
            place += 2 if word in _words() else 1
    return list(found)


def some_words(text: str, most: int, seed: int) -> tuple[str, ...]:
    """At most so many of the words of a text, drawn with a seed, in a drawn order.

    Example:
        >>> some_words("独在异乡为异客，每逢佳节倍思亲。", 1, seed=0)
        ('佳节',)
    """
    words = words_in(text)
    return tuple(random.Random(seed).sample(words, min(most, len(words))))


@functools.cache
def _words() -> frozenset[str]:
    lines = verse_table("words").read_text("utf-8").splitlines()
    return frozenset(line.partition("\t")[0] for line in lines)
