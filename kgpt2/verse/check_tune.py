"""A ci against its tune: the variant that it keeps best, and what it breaks of it."""

import collections
import functools
from collections.abc import Sequence
from typing import NamedTuple

from kgpt2.verse.checked import Fault
from kgpt2.verse.notation import Form, lines_of, name_of, parse
from kgpt2.verse.rhyming import groups_of
from kgpt2.verse.sounds import ANY, System, families, rhymes_of, tone_of
from kgpt2.verse.tunes import tune_pattern, tunes

# A text that nobody has named is of a tune where at most one in so many of its characters is at fault.
_AT_FAULT = 8


class Found(NamedTuple):
    """A tune, or another form with tones of its own: its name, the rhymes, and what is broken."""

    form: str
    rhyme: str
    faults: tuple[Fault, ...]


def find_tune(words: Sequence[str], form: str, system: System, rhymed: bool = True) -> Found | None:
    """What a text keeps of a tune, or of another form that has its own tones.

    Args:
        words: its lines, their marks left out.
        form: the name of a tune, with or without the number of a variant, or a pattern; "": any tune will do.
        system: whose tones and rhymes.
        rhymed: rhymes count.

    Returns:
        Of the variants with lines of these lengths the one that is broken least; None where there is none.

    Raises:
        RequestError: there is no such form.

    Example:
        >>> lines = ["常记溪亭日暮", "沉醉不知归路", "兴尽晚回舟", "误入藕花深处", "争渡", "争渡", "惊起一滩鸥鹭"]
        >>> find_tune(lines, "", "cilin").form
        '如梦令'
    """
    lengths = tuple(map(len, words))
    found = []
    for name in _variants(form) if form else _by_lengths().get(lengths, ()):
        pattern = parse(name)
        places = lines_of(pattern)
        if tuple(map(len, places)) == lengths and any(slot.tone != ANY for slot in pattern):
            title = name.rstrip("0123456789") if tune_pattern(name) else name_of(name)
            found.append(_checked(words, title, pattern, places, system, rhymed))
    best = min(found, key=lambda one: len(one.faults), default=None)
    if best is not None and not form and _AT_FAULT * len(best.faults) > sum(lengths):
        return None
    return best


def _variants(form: str) -> list[str]:
    """A pattern as it is; a tune that is named without a number in all its variants."""
    name = name_of(form)
    if not tune_pattern(name) or name[-1].isdigit():
        return [form]
    numbers = range(1, 100)
    return [f"{name}{number}" for number in numbers if tune_pattern(f"{name}{number}")]


@functools.cache
def _by_lengths() -> dict[tuple[int, ...], list[str]]:
    """The variants of all tunes, by the lengths of their lines."""
    found: dict[tuple[int, ...], list[str]] = {}
    for tune, count in tunes().items():
        for name in (f"{tune}{number}" for number in range(1, count + 1)):
            found.setdefault(tuple(map(len, lines_of(parse(name)))), []).append(name)
    return found


def _checked(
    words: Sequence[str], title: str, pattern: Form, lines: Sequence[Sequence[int]], system: System, rhymed: bool
) -> Found:
    # Each place of the pattern: its line and place in it, from 1, and the character that stands there.
    signs = {
        place: (number, at, word[at - 1])
        for number, (word, line) in enumerate(zip(words, lines, strict=True), 1)
        for at, place in enumerate(line, 1)
    }
    faults = [
        Fault("出律", *where)
        for place, where in signs.items()
        if (known := tone_of(where[2], system)) and not known & pattern[place].tone
    ]
    names = []
    for group in groups_of(pattern, {}) if rhymed else ():
        name, broken = _rhyme_faults({place: signs[place] for place in group}, group, system)
        names += [name] if name else []
        faults += broken
    return Found(title, "、".join(dict.fromkeys(names)), tuple(faults))


def _rhyme_faults(
    signs: dict[int, tuple[int, int, str]], tones: dict[int, int], system: System
) -> tuple[str, list[Fault]]:
    """The rhyme that most of a group share, those that do not have it, and words that come twice."""
    mixed = len(set(tones.values())) > 1
    known: dict[int, frozenset[str]] = {}
    for place, (_, _, sign) in signs.items():
        own = rhymes_of(sign, tones[place], system)
        known[place] = frozenset().union(*(families(one, system) for one in own)) if mixed else own
    counts = collections.Counter(name for own in known.values() for name in own)
    name = max(counts, key=lambda one: (counts[one], one), default="")
    faults = [
        Fault("出韵", *where)
        for place, where in signs.items()
        if tone_of(where[2], system) & tones[place] and name not in known[place]
    ]
    seen: set[str] = set()
    for where in signs.values():
        faults += [Fault("重韵", *where)] if where[2] in seen else []
        seen.add(where[2])
    return name, faults
