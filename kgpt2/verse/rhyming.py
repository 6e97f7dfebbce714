"""Which places of a form rhyme with one another, in which tones, and the rhymes that fit what is given there."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kgpt2.errors import RequestError, quoted
from kgpt2.verse.han import is_han
from kgpt2.verse.meter import Pattern, Tones, regulated, rhyme_places
from kgpt2.verse.notation import Form, lines_of, own_rhymes
from kgpt2.verse.rules import Need, Rules, Supply
from kgpt2.verse.sounds import (
    ANY,
    LEVEL,
    OBLIQUE,
    TONE_NAMES,
    families,
    is_called,
    neighbours,
    rhyme_weight,
    rhymes,
    rhymes_of,
    tone_of,
)

# A rhyme in each tone that a set has.
Option = tuple[tuple[int, str], ...]


class RhymeSet(NamedTuple):
    """Places that rhyme with each other: the tone of each, and the rhymes that fit, each with its weight."""

    places: Mapping[int, int]
    options: Mapping[Option, int]


class Rhyming:
    """The rhymes of a form.

    Args:
        rules: what the text must keep.
        form: the places.
        given: the characters and marks that are there already, by place.
        tones: those that are kept; with `tang` and `loose` a first line may rhyme with a neighbour.
    """

    def __init__(self, rules: Rules, form: Form, given: Mapping[int, str], tones: Tones):
        self.rules, self.form, self.given, self.tones = rules, form, given, tones

    def sets(self, pattern: Pattern, supply: Supply) -> tuple[list[RhymeSet], list[str]]:
        """Sets of rhyming places with the rhymes that fit, and notes on what gave way; a set may have no rhyme left.

        Raises:
            RequestError: a rhyme was named, and nothing rhymes in the form.
        """
        rhyming = regulated(self.form) or own_rhymes(self.form)
        if (self.rules.rhyme or ("" if rhyming else "off")) == "off":
            if own_rhymes(self.form):
                raise RequestError("--rhyme off: the form has places that rhyme (R, r)\nleave --rhyme out, or name one")
            return [], []
        if not rhyming:
            raise RequestError("--rhyme: nothing rhymes in the form; mark what should with R or r")
        sets: list[RhymeSet] = []
        notes: list[str] = []
        for places in groups_of(self.form, pattern):
            options = self._options(places, supply)
            words = [place for place in places if place in self.given]
            fitting = {one: weight for one, weight in options.items() if self._fits(words, places, one)}
            known = [place for place in words if rhymes_of(self.given[place], places[place], self.rules.system)]
            if not fitting and self.rules.rhyme is None and options:
                last = {one: weight for one, weight in options.items() if self._fits(known[-1:], places, one)}
                fitting = last or options
                follows = f", what follows rhymes with {self.given[known[-1]]}" if known else ""
                notes.append(
                    f"{'、'.join(self.given[place] for place in words)} of the beginning do not rhyme{follows}"
                )
            sets.append(RhymeSet(places, fitting))
        return sets, notes

    def _options(self, places: Mapping[int, int], supply: Supply) -> dict[Option, int]:
        """The rhymes of a set, in one tone, or a level and an oblique one that rhyme with one another."""
        tones = sorted({*places.values()})
        weights = [self._weights([p for p, own in places.items() if own == tone], tone, supply) for tone in tones]
        if len(tones) == 1:
            return {((tones[0], name),): weight for name, weight in weights[0].items()}
        system = self.rules.system
        return {
            ((LEVEL, level), (OBLIQUE, oblique)): weight * count
            for level, weight in weights[0].items()
            for oblique, count in weights[1].items()
            if families(level, system) & families(oblique, system)
        }

    def _weights(self, places: Sequence[int], tone: int, supply: Supply) -> dict[str, int]:
        """The rhymes for which there are characters, weighed as verse uses them, or by their characters."""
        system, wanted = self.rules.system, self.rules.rhyme_name
        names = [name for name in rhymes(tone, system) if not wanted or is_called(name, wanted)]
        if not names:
            raise RequestError(f"--rhyme {self.rules.rhyme}: no {TONE_NAMES[tone]} rhyme, as the form asks for")
        counts = {name: supply(Need("", tone, name, system)) for name in names}
        enough = {name for name, count in counts.items() if count >= 3 * len(places)} or {*filter(counts.get, counts)}
        return {name: rhyme_weight(name, system) or counts[name] for name in names if name in enough}

    def _fits(self, words: Sequence[int], places: Mapping[int, int], option: Option) -> bool:
        """Whether what is given at these places has a rhyme, or none that is known; a first line may be a neighbour."""
        first = lines_of(self.form)[0][-1]
        names = dict(option)
        for place in words:
            tone = places[place]
            known = rhymes_of(self.given[place], tone, self.rules.system)
            near = place == first and self.tones in ("tang", "loose") and tone == LEVEL
            will_do = {names[tone], *(neighbours(names[tone]) if near else ())}
            if tone_of(self.given[place], self.rules.system) and not known & will_do:
                return False
        return True


def groups_of(form: Form, pattern: Pattern) -> list[dict[int, int]]:
    """The places that rhyme with one another, each with its tone, a group for each rhyme.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> groups_of(parse("xr1，xR2，xr1，xR2。"), {})
        [{1: 2, 7: 2}, {4: 1, 10: 1}]
    """
    if regulated(form):
        return [dict.fromkeys(rhyme_places(form, pattern), LEVEL)]
    groups: dict[str, dict[int, int]] = {}
    for place, slot in enumerate(form):
        if slot.rhyme:
            groups.setdefault(slot.rhyme, {})[place] = slot.tone
    return list(groups.values())


def with_rhyme_words(rules: Rules, form: Form) -> Form:
    """The form with the rhyme words that were asked for at its rhyming places, in their order (步韵).

    Raises:
        RequestError: they are too few or too many, are oblique where level ones belong, or do not rhyme.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> slots = with_rhyme_words(Rules("五绝", rhyme_words="流楼"), parse("五绝"))
        >>> slots[10].given, slots[22].given
        ('流', '楼')
    """
    words = rules.rhyme_words
    if not words:
        return form
    said = f"--rhyme-words {quoted(','.join(words))}"
    if other := [sign for sign in words if not is_han(sign)]:
        raise RequestError(f"{said}: {quoted(other[0])} is no Chinese character, which ends a line")
    first = lines_of(form)[0][-1]
    least = len(lines_of(form)) // 2
    groups = groups_of(form, {first: LEVEL} if len(words) > least and form[first].tone & LEVEL else {})
    places = sorted(place for group in groups for place in group)
    if not places or rules.rhyme == "off":
        raise RequestError(
            f"{said}: nothing rhymes in the form\ntake one that rhymes, such as 七绝, and no --rhyme off"
        )
    if len(places) != len(words):
        free = regulated(form) and form[first].tone == ANY
        wanted = f"{least}, or {least + 1} with a first line that rhymes" if free else f"{len(places)}"
        raise RequestError(f"{said}: {len(words)} characters, where the form has rhyming places for {wanted}")
    slots = list(form)
    for place, word in zip(places, words, strict=True):
        if slots[place].given not in ("", word):
            raise RequestError(f"{said}: {quoted(word)} where the form has {quoted(slots[place].given)}")
        slots[place] = dataclasses.replace(slots[place], given=word)
    given = {place: slots[place].given for place in places}
    for group in groups:
        _require_rhyme(said, rules, given, group, first)
    return tuple(slots)


def _require_rhyme(said: str, rules: Rules, given: Mapping[int, str], group: Mapping[int, int], first: int) -> None:
    """Refuses rhyme words of one group that have another tone than belongs there, or do not rhyme."""
    system = rules.system
    shared: frozenset[str] | None = None
    for place, tone in sorted(group.items(), reverse=True):
        word = given[place]
        names = rhymes_of(word, tone, system)
        if not names and not tone_of(word, system):
            continue
        if not names:
            raise RequestError(f"{said}: {word} is not {TONE_NAMES[tone]}, as the form asks for in that place")
        if place == first and system == "pingshui" and rules.tones not in ("strict", "off"):
            names |= {near for name in names for near in neighbours(name)}
        if rules.rhyme_name and not any(is_called(name, rules.rhyme_name) for name in names):
            raise RequestError(
                f"{said}: {word} does not rhyme on {rules.rhyme}\nleave --rhyme out, or take other words"
            )
        mixed = len({*group.values()}) > 1
        known = frozenset(one for name in names for one in families(name, system)) if mixed else names
        if shared is not None and not shared & known:
            other = given[max(group)]
            raise RequestError(
                f"{said}: {word} and {other} do not rhyme by {system}\n"
                "take words of one rhyme (kgpt2 verse rhymes CHARACTER), or another --rhyme"
            )
        shared = known if shared is None else shared & known
