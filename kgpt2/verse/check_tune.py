"""A ci against its tune: the variant that it keeps best, and what it breaks of it."""

import collections
import functools
from collections.abc import Sequence
from typing import NamedTuple

from kgpt2.verse.checked import Fault
from kgpt2.verse.ci_rhymes import rhymed
from kgpt2.verse.notation import Form, lines_of, name_of, parse
from kgpt2.verse.repeating import origins
from kgpt2.verse.rhyming import groups_of
from kgpt2.verse.sounds import ANY, System, end_tone_of, tone_of
from kgpt2.verse.tunes import tune_cuts, tune_pattern, tunes

# A text that nobody has named is of a tune where at most one in so many of its characters is at fault.
_AT_FAULT = 8


class Found(NamedTuple):
    """A tune, or another form with tones of its own.

    Attributes:
        form: its name.
        variant: the same with a number.
        rhyme: the names of its rhymes.
        faults: what is broken.
        licences: what each line takes: 句读 (it is cut otherwise than in the pattern, as other ci have it), 邻韵 (it
            rhymes with a neighbouring part).
    """

    form: str
    variant: str
    rhyme: str
    faults: tuple[Fault, ...]
    licences: tuple[tuple[str, ...], ...]


class _Sign(NamedTuple):
    """A character of a text: its line and its place there, from 1."""

    line: int
    place: int
    character: str


def find_tune(words: Sequence[str], form: str, system: System, counts_rhyme: bool = True) -> Found | None:
    """What a text keeps of a tune, or of another form that has its own tones.

    Args:
        words: its lines, their marks left out.
        form: the name of a tune, with or without the number of a variant, or a pattern; "": any tune will do.
        system: whose tones and rhymes.
        counts_rhyme: rhymes count.

    Returns:
        Of the variants with such lines the one that is broken least; None where there is none.

    Raises:
        RequestError: there is no such form.

    Example:
        >>> lines = ["常记溪亭日暮", "沉醉不知归路", "兴尽晚回舟", "误入藕花深处", "争渡", "争渡", "惊起一滩鸥鹭"]
        >>> find_tune(lines, "", "cilin").form
        '如梦令'
    """
    lengths = tuple(map(len, words))
    found = []
    for name in variants_of(form) if form else _by_length().get(sum(lengths), ()):
        pattern = parse(name)
        otherwise = lines_cut_otherwise(lengths, name)
        if otherwise is not None and any(slot.tone != ANY for slot in pattern):
            found.append(_checked(words, name_of(name), pattern, otherwise, system, counts_rhyme))
    best = min(found, key=lambda one: (len(one.faults), sum(map(len, one.licences))), default=None)
    if best is not None and not form and _AT_FAULT * len(best.faults) > sum(lengths):
        return None
    return best


def lines_cut_otherwise(lengths: Sequence[int], form: str) -> list[int] | None:
    """Which lines of a text, from 1, are cut otherwise than in a form; None: they are not of this form.

    Between two rhymes of a tune its characters may be cut in each of the ways that ci have (句读).

    Example:
        >>> lines_cut_otherwise([7] * 6, "浣溪沙"), lines_cut_otherwise([6, 8, 7, 7, 7, 7], "浣溪沙")
        ([], None)
    """
    pattern = lines_of(parse(form))
    own = stretches([*map(len, pattern)], [bool(parse(form)[line[-1]].rhyme) for line in pattern])
    others = collections.defaultdict(list)
    for line, cut in tune_cuts(form):
        others[line].append(cut)
    at, line = 0, 1
    changed: list[int] = []
    for stretch in own:
        given = tuple(lengths[at : at + len(stretch)])
        if given != stretch:
            cuts = [cut for cut in others[line] if tuple(lengths[at : at + len(cut)]) == cut]
            if not cuts:
                return None
            given = cuts[0]
            changed += range(at + 1, at + len(given) + 1)
        at, line = at + len(given), line + len(stretch)
    return changed if at == len(lengths) else None


def stretches(lengths: Sequence[int], rhyming: Sequence[bool]) -> list[tuple[int, ...]]:
    """The lengths of lines, from one that rhymes to the next.

    Example:
        >>> stretches([7, 7, 7, 7], [True, True, False, True])
        [(7,), (7,), (7, 7)]
    """
    found: list[tuple[int, ...]] = [()]
    for length, rhymes in zip(lengths, rhyming, strict=True):
        found[-1] += (length,)
        if rhymes:
            found.append(())
    return [stretch for stretch in found if stretch]


def variants_of(form: str) -> list[str]:
    """A pattern as it is; a tune that is named without a number in all its variants.

    Example:
        >>> variants_of("忆秦娥"), variants_of("五绝")
        (['忆秦娥1', '忆秦娥2'], ['五绝'])
    """
    name = name_of(form)
    if not tune_pattern(name) or name[-1].isdigit():
        return [form]
    numbers = range(1, 100)
    return [f"{name}{number}" for number in numbers if tune_pattern(f"{name}{number}")]


@functools.cache
def _by_length() -> dict[int, list[str]]:
    """The variants of all tunes, by their characters."""
    found: dict[int, list[str]] = {}
    for tune, count in tunes().items():
        for name in (f"{tune}{number}" for number in range(1, count + 1)):
            found.setdefault(sum(map(len, lines_of(parse(name)))), []).append(name)
    return found


def _checked(
    words: Sequence[str], variant: str, pattern: Form, otherwise: Sequence[int], system: System, counts_rhyme: bool
) -> Found:
    signs = [_Sign(number, at, sign) for number, word in enumerate(words, 1) for at, sign in enumerate(word, 1)]
    at = dict(zip((place for line in lines_of(pattern) for place in line), signs, strict=True))
    faults = [
        Fault("出律", *sign)
        for place, sign in at.items()
        if (known := (end_tone_of if pattern[place].rhyme else tone_of)(sign.character, system))
        and not known & pattern[place].tone
    ]
    # Places that repeat a character: whether they do.
    again = {place: at[place].character == at[first].character for place, first in origins(pattern).items()}
    faults += [Fault("叠句", *at[place]) for place, repeats in again.items() if not repeats]
    licences: dict[int, list[str]] = {line: ["句读"] for line in otherwise}
    names = []
    for group in groups_of(pattern, {}) if counts_rhyme else ():
        rhyme = rhymed({place: at[place].character for place in group}, group, system)
        names += [rhyme.name] if rhyme.name else []
        faults += [Fault("出韵", *at[place]) for place in rhyme.out]
        faults += _twice([at[place] for place in group if not again.get(place)])
        for place in rhyme.near:
            licences.setdefault(at[place].line, []).append("邻韵")
    taken = tuple(tuple(licences.get(number, ())) for number in range(1, len(words) + 1))
    title = variant.rstrip("0123456789") if tune_pattern(variant) else variant
    return Found(title, variant, "、".join(dict.fromkeys(names)), tuple(faults), taken)


def _twice(ends: Sequence[_Sign]) -> list[Fault]:
    """Rhyme words that came before."""
    seen = [sign.character for sign in ends]
    return [Fault("重韵", *sign) for number, sign in enumerate(ends) if sign.character in seen[:number]]
