"""Which tones and rhymes fit what a text begins with, and what gives way where none do.

Rules that the user named are kept or refused. The others give way: the places at which the beginning breaks them are
let be, the rest of the form keeps them, and a note says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kgpt2.errors import RequestError, quoted
from kgpt2.verse.meter import (
    Pattern,
    Tones,
    Way,
    couplet_ways,
    is_couplet,
    opposite,
    regulated,
    verse_ways,
)
from kgpt2.verse.notation import Form, lines_of
from kgpt2.verse.rules import Rules, clashes
from kgpt2.verse.sounds import LEVEL, TONE_NAMES, tone_of


class _Fit(NamedTuple):
    """A pattern, and the places at which what is given breaks it."""

    pattern: Pattern
    broken: list[int]


class Verse:
    """A form, the rules for it, and what is given of it.

    Args:
        rules: what the text must keep.
        form: the places.
        given: the characters and marks that are there already, by place.
    """

    def __init__(self, rules: Rules, form: Form, given: Mapping[int, str]):
        self.rules, self.form, self.given = rules, form, given
        self._ends = {line[-1] for line in lines_of(form)}

    @property
    def tones(self) -> Tones:
        """The tones to keep, those of the form where none were named."""
        if self.rules.tones is not None:
            return self.rules.tones
        return "tang" if regulated(self.form) or is_couplet(self.form) else "off"

    def clash(self, place: int, tone: int) -> bool:
        """Whether a place cannot have a tone: the form asks for another, or what is given has another."""
        sign = self.given.get(place, "")
        return not tone & self.form[place].tone or (
            sign != "" and clashes(sign, tone, self.rules.system, ends=place in self._ends)
        )

    def patterns(self) -> tuple[list[list[Pattern]], list[str]]:
        """For each part of the form that is chosen by itself the tones that fit, and notes on what gave way.

        Raises:
            RequestError: tones were named, and none fit or the form has none.
        """
        if self.tones == "off":
            return [[{}]], []
        for tones in (self.tones,) if self.rules.tones else (self.tones, "loose"):
            parts = [[self._settled(way) for way in ways] for ways in self._ways(tones)]
            good = [[fit.pattern for fit in fits if not fit.broken] for fits in parts]
            if all(good):
                return good, []
        if self.rules.tones:
            raise self._tone_clash(next(fits for fits, kept in zip(parts, good, strict=True) if not kept))
        notes, nearest = [], []
        for fits in parts:
            least = min(len(fit.broken) for fit in fits)
            best = [fit for fit in fits if len(fit.broken) == least]
            nearest.append([{p: tone for p, tone in fit.pattern.items() if p not in fit.broken} for fit in best])
            signs = "、".join(self.given.get(place, "") for place in best[0].broken)
            notes += [f"the beginning keeps no pattern of tones ({signs}): what follows keeps one"] if least else []
        return nearest, notes

    def _ways(self, tones: Tones) -> list[list[Way]]:
        if regulated(self.form):
            return [self._as_rhymed(verse_ways(self.form, tones))]
        if not is_couplet(self.form):
            raise RequestError(
                f"--tones {tones}: the form is no regulated verse and no couplet\n"
                f"write its tones into the pattern, p for 平 and z for 仄"
            )
        parts = couplet_ways(self.form, tones)
        return [list(self._as_given(ways)) for ways in parts] if tones == "loose" else parts

    def _as_rhymed(self, ways: list[Way]) -> list[Way]:
        """The ways in which as many lines rhyme as there are rhyme words; all where there are none."""
        lines, words = lines_of(self.form), self.rules.rhyme_words
        rhymed = len(words) > len(lines) // 2
        return [way for way in ways if not words or (way[0][0].get(lines[0][-1]) == LEVEL) == rhymed]

    def _as_given(self, ways: list[Way]) -> Iterator[Way]:
        """Ways of a couplet's clauses with the tones that the prompt has, alternating or not, and their opposites."""
        half = len(self.form) // 2 + 1
        for ((pattern,),) in ways:
            # The end of the first side alone is no matter of choice.
            first = [place for place in pattern if place < half - 2 and place in self.given]
            known = {place: tone_of(self.given[place], self.rules.system) for place in first}
            own = {place: tone for place, tone in known.items() if tone}
            yield [[pattern | own | {place + half: opposite(tone) for place, tone in own.items()}]]

    def _settled(self, way: Way) -> _Fit:
        """The plainest pattern of each stretch among those that are broken at the fewest places."""
        pattern: Pattern = {}
        broken: list[int] = []
        for choice in way:
            fits = [_Fit(one, [place for place, tone in one.items() if self.clash(place, tone)]) for one in choice]
            best = min(fits, key=lambda fit: len(fit.broken))
            pattern |= best.pattern
            broken += best.broken
        return _Fit(pattern, broken)

    def _tone_clash(self, fits: Sequence[_Fit]) -> RequestError:
        """Where the pattern that fits furthest breaks: no other goes on from there."""
        furthest = max(fits, key=lambda fit: min(fit.broken))
        place = min(furthest.broken)
        return tone_clash(self.given, place, furthest.pattern[place])


def tone_clash(given: Mapping[int, str], place: int, wanted: int) -> RequestError:
    """What to say where a place has another tone than belongs there."""
    sign = given.get(place, "")
    if not sign:
        return RequestError(f"--tones: the form asks for another tone than {TONE_NAMES[wanted]} at place {place + 1}")
    before = "".join(given[number] for number in range(max(0, place - 6), place) if number in given)
    cut = "…" if place > 6 else ""
    return RequestError(
        f"the prompt, at {cut}{before}{sign}: no pattern of tones fits, "
        f"{quoted(sign)} is {TONE_NAMES[opposite(wanted)]} where {TONE_NAMES[wanted]} belongs\n"
        "other words, other tones (--tones, or those of the pattern), or another form"
    )
