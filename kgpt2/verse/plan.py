"""From a form and a prompt to what may stand at each place that is still open.

Everything is settled before the first token: which of the ways to be regulated, and which rhyme. So a place's choices
depend on nothing that is written later, and nothing ever has to be taken back.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from kgpt2.errors import RequestError, quoted
from kgpt2.verse.cutting import cut_like
from kgpt2.verse.fitting import Verse, tone_clash
from kgpt2.verse.han import is_han
from kgpt2.verse.meter import Pattern, is_couplet
from kgpt2.verse.notation import SEPARATOR, Form, Slot, form_of_text, lines_of, name_of, parse
from kgpt2.verse.placing import place_words
from kgpt2.verse.repeating import with_repeats
from kgpt2.verse.rhyming import RhymeSet, Rhyming, with_rhyme_words
from kgpt2.verse.rules import Need, Rules, Supply
from kgpt2.verse.sounds import ANY, LEVEL, OBLIQUE, TONE_NAMES, System, families


@dataclasses.dataclass(frozen=True)
class Plans:
    """The ways in which a prompt can be continued within its form.

    Attributes:
        form: the places, prompt included.
        begun: how many of them the prompt fills.
        ways: for each part of the form that is chosen by itself the tones that fit.
        rhymes: for each of the ways of the first part its sets of rhyming places.
        system: the tables to go by.
        notes: which rules gave way to the beginning.
        without: characters that the form gives, and that may stand nowhere else.
        words: what the text is to hold, where there is room for it.
        once: no character comes twice.
        ends: open places that end a line, where, without a rhyme, no reader may take one tone for the other.
    """

    form: Form
    begun: int
    ways: Sequence[Sequence[Pattern]]
    rhymes: Sequence[Sequence[RhymeSet]]
    system: System
    notes: tuple[str, ...] = ()
    without: str = ""
    words: tuple[str, ...] = ()
    once: bool = False
    ends: frozenset[int] = frozenset()

    @property
    def length(self) -> int:
        """Places that are open."""
        return len(self.form) - self.begun

    def choose(self, draw: np.random.Generator) -> tuple[Need, ...]:
        """What each open place needs, in one of the ways."""
        tones: Pattern = {}
        names: dict[int, str] = {}
        for part, ways in enumerate(self.ways):
            way = int(draw.integers(len(ways)))
            tones |= ways[way]
            for places, option in self._drawn(self.rhymes[way], draw) if part == 0 else ():
                names |= {place: option[tone] for place, tone in places.items()}
                tones |= places
        needs = [
            _need(slot, slot.tone & tones.get(place, ANY), names.get(place, ""), self.system, self.without)
            for place, slot in list(enumerate(self.form))[self.begun :]
        ]
        for place in self.ends - names.keys():
            needs[place - self.begun] = dataclasses.replace(needs[place - self.begun], ends=True)
        placed = place_words(self.words, self.form, needs, draw)
        for place, sign in placed.items():
            needs[place - self.begun] = Need(sign)
        if placed and self.once:
            taken = self.without + "".join(placed.values())
            needs = [need if need.given else dataclasses.replace(need, without=taken) for need in needs]
        return tuple(needs)

    def _drawn(
        self, sets: Sequence[RhymeSet], draw: np.random.Generator
    ) -> Iterator[tuple[Mapping[int, int], dict[int, str]]]:
        """The places of each set and its rhymes by tone; no two sets have the same, where that can be."""
        taken: set[str] = set()
        for places, options in sets:
            of = {option: {part for _, name in option for part in families(name, self.system)} for option in options}
            left = [option for option in options if not of[option] & taken] or [*options]
            shares = np.array([options[option] for option in left], dtype=float)
            option = left[int(draw.choice(len(shares), p=shares / shares.sum()))]
            taken |= of[option]
            yield places, dict(option)


def plan(rules: Rules, text: str, supply: Supply) -> Plans:
    """The ways to continue a prompt.

    Args:
        rules: what the text must keep.
        text: the prompt, its marks full-width; "": none.
        supply: of whoever writes.

    Raises:
        RequestError: the rules contradict one another, or the prompt does not fit them.

    Example:
        >>> plans = plan(Rules("五绝", rhyme="pingshui"), "白日依山尽，", lambda need: 1)
        >>> plans.begun, plans.length
        (6, 18)
        >>> len(plans.choose(np.random.default_rng(0)))
        18
    """
    form = with_rhyme_words(rules, _with_acrostic(rules, _form_for(rules, text)))
    form = with_repeats(form, _matched(rules, form, text))
    given = dict(enumerate(text))
    given |= {place: slot.given for place, slot in enumerate(form) if slot.given}
    verse = Verse(rules, form, given)
    for place in given:
        if not form[place].mark and verse.clash(place, form[place].tone):
            raise tone_clash(given, place, form[place].tone)
    ways, notes = verse.patterns()
    rhyming = Rhyming(rules, form, given, verse.tones)
    found = [rhyming.sets(pattern, supply) for pattern in ways[0]]
    kept = [(not gave, number) for number, (sets, gave) in enumerate(found) if all(one.options for one in sets)]
    if not kept:
        raise RequestError(f"--rhyme {rules.rhyme or rules.system}: {_why_no_rhyme(found[0][0], given)}")
    # Where rhymes gave way in some of the ways, the others are taken.
    good = [number for fits, number in kept if fits == max(kept)[0]]
    notes += found[good[0]][1]
    _require_supply(form, len(text), [pattern for patterns in ways for pattern in patterns], rules, supply)
    ways = [[ways[0][number] for number in good], *ways[1:]]
    sets = [found[number][0] for number in good]
    without = "" if rules.repeats else "".join(sorted({slot.given for slot in form[len(text) :]}))
    words = tuple(word for word in rules.words if word not in text and all(supply(Need(sign)) for sign in word))
    ends = _clear_ends(form, len(text), rules.system, supply)
    return Plans(form, len(text), ways, sets, rules.system, tuple(notes), without, words, not rules.repeats, ends)


def _clear_ends(form: Form, begun: int, system: System, supply: Supply) -> frozenset[int]:
    """The open ends of lines; none where the vocabulary is too small to be choosy."""
    if any(supply(Need(tone=tone, system=system, ends=True)) < len(form) for tone in (LEVEL, OBLIQUE)):
        return frozenset()
    return frozenset(line[-1] for line in lines_of(form) if line[-1] >= begun)


def _require_supply(form: Form, begun: int, patterns: Sequence[Pattern], rules: Rules, supply: Supply) -> None:
    """Sees to it that there is something for every open place, however it is regulated."""
    for place, slot in list(enumerate(form))[begun:]:
        if slot.back and not slot.given:
            continue
        for tone in {slot.tone & pattern.get(place, ANY) for pattern in patterns}:
            if not supply(_need(slot, tone, "", rules.system)):
                what = repr(slot.mark or slot.given) if slot.mark or slot.given else f"{TONE_NAMES[tone]} character"
                raise RequestError(
                    f"the model's vocabulary has no {what}, and the form asks for it\n"
                    "take a model that has read such texts (the source verse has poems and couplets), or another form"
                )


def _form_for(rules: Rules, text: str) -> Form:
    """The form, with the first side of a couplet as long as the prompt has it."""
    if not rules.form:
        return parse("七绝" if len(rules.acrostic) <= 4 else "七律")
    form = cut_like(rules.form, text)
    if name_of(rules.form) != "对联":
        return form
    side, separator, _ = text.partition(SEPARATOR)
    if separator and side:
        return (*form_of_text(side), Slot(mark=SEPARATOR), *form_of_text(side))
    if len(side) > len(lines_of(form)[0]) or not all(map(is_han, side)):
        raise RequestError(
            f"the prompt {quoted(text)} does not show where its first side ends\n"
            f"put a - behind it, or give the shape of the couplet, such as --form 4，7-4，7"
        )
    return form


def _with_acrostic(rules: Rules, form: Form) -> Form:
    lines = lines_of(form)
    if other := [sign for sign in rules.acrostic if not is_han(sign)]:
        raise RequestError(
            f"--acrostic {quoted(rules.acrostic)}: {quoted(other[0])} is no Chinese character, which begins a line"
        )
    if len(rules.acrostic) > len(lines):
        raise RequestError(
            f"--acrostic {quoted(rules.acrostic)}: a character for each line, and the form has {len(lines)} lines"
        )
    slots = list(form)
    sides = len(lines) // 2
    if is_couplet(form) and len(rules.acrostic) == 2:
        lines = [lines[0], lines[sides]]
    for character, line in zip(rules.acrostic, lines, strict=False):
        if slots[line[0]].given not in ("", character):
            raise RequestError(f"--acrostic: {quoted(character)} where the form has {quoted(slots[line[0]].given)}")
        slots[line[0]] = dataclasses.replace(slots[line[0]], given=character)
    return tuple(slots)


def _matched(rules: Rules, form: Form, text: str) -> str:
    """The prompt, sign by sign at the places of the form."""
    if len(text) >= len(form):
        much = "fills" if len(text) == len(form) else "is longer than"
        raise RequestError(f"the prompt {quoted(_short(text))} {much} the form {_name(rules)}: nothing can follow")
    line, inside = 1, 0
    for sign, slot in zip(text, form, strict=False):
        wanted = slot.mark or slot.given
        if sign != wanted if wanted else not is_han(sign):
            wanted = repr(wanted) if wanted else "a Chinese character"
            found, place = quoted(sign), f"line {line}"
            found = f"{found} in {place} after {inside} characters" if inside else f"{place} begins with {found}"
            raise RequestError(
                f"the prompt {quoted(_short(text))} does not fit the form {_name(rules)}: "
                f"{found}, where {wanted} belongs"
            )
        line, inside = (line + 1, 0) if slot.mark else (line, inside + 1)
    return text


def _why_no_rhyme(sets: Sequence[RhymeSet], given: Mapping[int, str]) -> str:
    words = [given[place] for places, options in sets if not options for place in places if place in given]
    if words:
        return f"{'、'.join(words)} of the prompt and the form cannot rhyme"
    return "the model's vocabulary has no characters that rhyme"


def _need(slot: Slot, tone: int, rhyme: str, system: System, without: str = "") -> Need:
    if slot.mark or slot.given:
        return Need(slot.mark or slot.given)
    return Need(back=slot.back) if slot.back else Need("", tone, rhyme, system, without)


def _name(rules: Rules) -> str:
    return rules.form or "of the acrostic"


def _short(text: str) -> str:
    return text if len(text) <= 20 else f"{text[:20]}…"
