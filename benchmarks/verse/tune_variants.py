"""The variants of a tune that ci bear out: which places rhyme, how lines are cut between rhymes, and the tones.

A variant begins with the rhyming places of 词谱 and keeps those that ci keep; lines, marks and tones are theirs.
"""

import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from kgpt2.verse.check_tune import stretches
from kgpt2.verse.ci_rhymes import rhymed
from kgpt2.verse.sounds import ANY, LEVEL, OBLIQUE, end_tone_of, families, rhymes_of, tone_of

# What counts: so many ci, a tone that so many of them have, a place that so many of them rhyme.
LEAST_CI, CLEAR, RHYMING = 2, 0.9, 0.9
# Of ways to rhyme that nearly as many ci keep, the one with the most rhymes: fewer are always kept more often.
_NEARLY = 0.9
# So many known characters settle a tone; below that the book does.
_KNOWN = 5
_MOST_RHYMES = 9


class Ci(NamedTuple):
    """A ci: its characters, the lengths of its lines, and the mark behind each."""

    text: str
    lengths: tuple[int, ...]
    marks: tuple[str, ...]

    @property
    def ends(self) -> list[int]:
        return ends_of(self.lengths)


class Listed(NamedTuple):
    """A variant of 词谱: the tone of each place (平仄中), groups of rhyming places, the lines of its specimen."""

    tones: str
    groups: tuple[tuple[int, ...], ...]
    lengths: tuple[int, ...]


class Variant(NamedTuple):
    """A variant: its lines, rhymes and tones, other cuts between two rhymes, repeats, and how many ci keep it."""

    lengths: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    flags: tuple[int, ...]
    marks: tuple[str, ...]
    cuts: tuple[tuple[int, tuple[int, ...]], ...]
    repeats: dict[int, int]
    kept: int


class _Way(NamedTuple):
    """A way to rhyme: groups of places with their tones, the ci that keep it, and whether it is one of the book's."""

    groups: tuple[dict[int, int], ...]
    kept: list[Ci]
    of_book: bool

    @property
    def places(self) -> set[int]:
        return {place for group in self.groups for place in group}


def variants_of(poems: Sequence[Ci], listed: Sequence[Listed], older: Sequence[Ci]) -> list[Variant]:
    """The variants of a tune that ci bear out: those that two of them keep, or of a rare tune one; the commonest first.

    One ci also bears out a variant of which it has the lines and the rhymes as the book prints them. Older texts of
    the same lines are looked at for what a rare variant repeats.
    """
    return _borne_out(poems, listed, older, LEAST_CI) or _borne_out(poems, listed, older, 1)


def _borne_out(poems: Sequence[Ci], listed: Sequence[Listed], older: Sequence[Ci], least: int) -> list[Variant]:
    by_length = collections.defaultdict(list)
    for poem in poems:
        by_length[len(poem.text)].append(poem)
    found = []
    for length, left in by_length.items():
        book = [one for one in listed if len(one.tones) == length] or [*_unlisted(left)]
        taken: list[set[int]] = []
        while way := _best([way for one in book for way in _ways(one, left)], taken, least):
            found.append(_variant(way, book, older))
            taken.append(way.places)
            left = [poem for poem in left if poem not in way.kept]
    return sorted(found, key=lambda variant: -variant.kept)


def _ways(listed: Listed, poems: Sequence[Ci]) -> Iterable[_Way]:
    """How a variant of the book may rhyme: with its tones, or with those that most of the ci have."""
    groups = [group for group in listed.groups if len(group) > 1][:_MOST_RHYMES]
    places = {place for group in groups for place in group}
    fitting = [poem for poem in poems if places <= {*poem.ends}]
    if not fitting or not groups:
        return
    most = {place: _level_or_oblique([poem.text[place] for poem in fitting]) for place in places}
    own = {place: {"平": LEVEL, "仄": OBLIQUE}.get(listed.tones[place], most[place]) for place in places}
    for tones in (own, most) if own != most else (own,):
        toned = [{place: tones[place] for place in group} for group in groups]
        kept = tuple(rhyming for group in toned if len(rhyming := _rhyming(group, fitting)) > 1)
        places = {place for group in kept for place in group}
        if kept:
            keeping = [poem for poem in poems if places <= {*poem.ends} and keeps(poem.text, kept)]
            of_book = sum(map(len, kept)) == sum(map(len, listed.groups)) and any(
                poem.lengths == listed.lengths for poem in keeping
            )
            yield _Way(kept, keeping, of_book)


def _unlisted(poems: Sequence[Ci]) -> Iterator[Listed]:
    """Where the book has none of so many characters, but several ci are cut alike: one rhyme, at any line's end."""
    lengths, count = collections.Counter(poem.lengths for poem in poems).most_common(1)[0]
    if count >= _KNOWN:
        yield Listed("中" * sum(lengths), (tuple(ends_of(lengths)),), lengths)


def _rhyming(group: dict[int, int], poems: Sequence[Ci]) -> dict[int, int]:
    """The places of a group that nine in ten of the ci rhyme which rhyme all others; all that two do not leave out."""
    outs = [rhymed({place: poem.text[place] for place in group}, group, "cilin").out for poem in poems]
    judged = [out for out in outs if len(out) <= 1]
    missing = collections.Counter(place for out in judged for place in out)
    most = max(LEAST_CI - 1, (1 - RHYMING) * len(judged))
    return {place: tone for place, tone in group.items() if missing[place] <= most}


def keeps(text: str, groups: Iterable[dict[int, int]]) -> bool:
    """Whether a ci rhymes so, each rhyme in its tone."""
    for group in groups:
        signs = {place: text[place] for place in group}
        known = {place: end_tone_of(sign) for place, sign in signs.items()}
        if any(tone and not tone & group[place] for place, tone in known.items()):
            return False
        if rhymed(signs, group, "cilin").out:
            return False
    return True


def _best(ways: Sequence[_Way], taken: Sequence[set[int]], least: int) -> _Way | None:
    """The way that the most ci keep; none that asks for no more than one that is taken already."""
    enough = [way for way in ways if len(way.kept) >= least or way.of_book]
    new = [way for way in enough if not any(way.places < one for one in taken)]
    most = max((len(way.kept) for way in new), default=0)
    nearly = [way for way in new if len(way.kept) >= _NEARLY * most]
    return max(nearly, key=lambda way: (len(way.places), len(way.kept)), default=None)


def _variant(way: _Way, book: Sequence[Listed], older: Sequence[Ci]) -> Variant:
    lengths, _ = collections.Counter(poem.lengths for poem in way.kept).most_common(1)[0]
    rhyming = {place: tone for group in way.groups for place, tone in group.items()}
    listed = next(one for one in book if {place for group in one.groups for place in group} >= {*rhyming})
    texts = [poem.text for poem in way.kept]
    flags = tuple(
        rhyming.get(place) or _settled([text[place] for text in texts], tone) for place, tone in enumerate(listed.tones)
    )
    own = [poem for poem in way.kept if poem.lengths == lengths]
    stops = [sum(poem.marks[number][0] in "。！？" for poem in own) for number in range(len(lengths))]
    marks = tuple("。" if 2 * count > len(own) else "，" for count in stops[:-1])
    groups = tuple(tuple(group) for group in way.groups)
    like = [poem.text for poem in older if poem.lengths == lengths] if len(own) < _KNOWN else []
    repeats = _repeats([poem.text for poem in own] + like)
    return Variant(lengths, groups, flags, (*marks, "。"), _cuts(way, lengths), repeats, len(way.kept))


def _repeats(texts: Sequence[str]) -> dict[int, int]:
    """Places that have in nine of ten texts the character of a place before, and how far back the nearest such is."""
    found: dict[int, int] = {}
    for place in range(len(texts[0]) if len(texts) >= _KNOWN else 0):
        same = [back for back in range(1, place + 1) if _share(texts, place, back) >= CLEAR]
        found |= {place: same[0]} if same else {}
    return found


def _share(texts: Sequence[str], place: int, back: int) -> float:
    return sum(text[place] == text[place - back] for text in texts) / len(texts)


def _cuts(way: _Way, lengths: tuple[int, ...]) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """How else at least two ci cut the lines between two rhymes: the number of the first line, from 1, and lengths."""
    own, number, firsts = _stretches(lengths, way.places), 1, []
    for stretch in own:
        firsts.append(number)
        number += len(stretch)
    counts: collections.Counter[tuple[int, tuple[int, ...]]] = collections.Counter()
    for poem in way.kept:
        counts.update(zip(firsts, _stretches(poem.lengths, way.places), strict=True))
    listed = {*zip(firsts, own, strict=True)}
    return tuple(sorted(cut for cut, count in counts.items() if count >= LEAST_CI and cut not in listed))


def _stretches(lengths: Sequence[int], places: set[int]) -> list[tuple[int, ...]]:
    return stretches(lengths, [end in places for end in ends_of(lengths)])


def ends_of(lengths: Sequence[int]) -> list[int]:
    """The place of each line's last character, from 0."""
    return [sum(lengths[: number + 1]) - 1 for number in range(len(lengths))]


def _level_or_oblique(signs: Iterable[str]) -> int:
    known = [tone for sign in signs if (tone := end_tone_of(sign)) in (LEVEL, OBLIQUE)]
    return LEVEL if 2 * known.count(LEVEL) > len(known) else OBLIQUE


def _settled(signs: Iterable[str], listed: str) -> int:
    """The tone of a place: nine in ten of those known, or the book's where few are."""
    known = [tone for sign in signs if (tone := tone_of(sign)) in (LEVEL, OBLIQUE)]
    if len(known) < _KNOWN:
        own = {"平": LEVEL, "仄": OBLIQUE}.get(listed, ANY)
        return own if all(tone & own for tone in known) else ANY
    level = known.count(LEVEL)
    return LEVEL if level >= CLEAR * len(known) else OBLIQUE if level <= (1 - CLEAR) * len(known) else ANY


def written(variant: Variant) -> str:
    """The pattern in the notation of forms, and behind a tab the other cuts."""
    rhyming = {place: number for number, group in enumerate(variant.groups, 1) for place in group}
    flags = [*variant.flags]
    for place, back in sorted(variant.repeats.items(), reverse=True):
        # A place that is repeated has the tone and the rhyme of its repeats.
        flags[place - back] = flags[place - back] & flags[place] or flags[place]
        if place in rhyming:
            rhyming.setdefault(place - back, rhyming[place])
    pattern, place = "", 0
    for length, mark in zip(variant.lengths, variant.marks, strict=True):
        for _ in range(length):
            signs = "Rr" if place in rhyming else "pz"
            sign = {LEVEL: signs[0], OBLIQUE: signs[1], ANY: "x"}[flags[place]] + str(rhyming.get(place, ""))
            pattern += f"={variant.repeats[place]}" if place in variant.repeats else sign
            place += 1
        pattern += mark
    return f"{pattern}\t{' '.join(f'{line}:' + ','.join(map(str, cut)) for line, cut in variant.cuts)}"


def mixed_parts(poems: Iterable[Ci], variants: Sequence[Variant]) -> Iterator[tuple[str, frozenset[str]]]:
    """Of each group of four or more rhymes: the part of 词林正韵 that most have, and the others that it has."""
    by_lengths = {variant.lengths: variant for variant in reversed(variants)}
    for poem in poems:
        variant = by_lengths.get(poem.lengths)
        for group in variant.groups if variant else ():
            own = [_parts(poem.text[place]) for place in group]
            counts = collections.Counter(name for one in own for name in one)
            most = max(counts, key=lambda name: (counts[name], name), default="")
            if len(group) >= 4 and 2 * counts[most] >= len(group):
                others = [one for one in own if len(one) == 1 and most not in one]
                yield most, frozenset().union(*others)


def _parts(sign: str) -> frozenset[str]:
    names = (name for tone in (LEVEL, OBLIQUE) for name in rhymes_of(sign, tone, "cilin"))
    return frozenset().union(*(families(name, "cilin") for name in names))
