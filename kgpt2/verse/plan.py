"""From a form and a prompt to what may stand at each place that is still open.

Everything is settled before the first token: which of the ways to be regulated, and which rhyme. So a place's choices
depend on nothing that is written later, and nothing ever has to be taken back.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from kgpt2.errors import RequestError
from kgpt2.verse.han import is_han
from kgpt2.verse.meter import (
    Pattern,
    Tones,
    couplet_patterns,
    is_couplet,
    opposite,
    regulated,
    rhyme_places,
    verse_patterns,
)
from kgpt2.verse.notation import SEPARATOR, Form, Slot, form_of_text, lines_of, name_of, parse
from kgpt2.verse.sounds import ANY, LEVEL, OBLIQUE, System, rhymes, rhymes_of, tone_of

_TONE_NAMES = {LEVEL: "平", OBLIQUE: "仄"}


@dataclasses.dataclass(frozen=True)
class Rules:
    """What a text must keep.

    Attributes:
        form: a name or a pattern, see `notation`; "": a 七绝 or a 七律, as the acrostic needs.
        acrostic: what the lines begin with, a character a line.
        tones: off, loose or strict, see `meter`.
        rhyme: off, pingshui or modern; with modern, tones are those of today too.

    Example:
        >>> Rules("七绝", rhyme="modern").system
        'modern'
    """

    form: str
    acrostic: str = ""
    tones: Tones = "off"
    rhyme: str = "off"

    @property
    def system(self) -> System:
        """The tables to go by."""
        return "modern" if self.rhyme == "modern" else "pingshui"


@dataclasses.dataclass(frozen=True)
class Need:
    """What a character or mark must be to stand at a place.

    Attributes:
        given: this one; "": any Chinese character that has the tone and the rhyme.
        tone: `LEVEL`, `OBLIQUE`, or `ANY` for both and for characters whose tone is not known.
        rhyme: the name of its rhyme in that tone; "": any.
        system: the tables to go by.

    Example:
        >>> Need(tone=LEVEL).allows("春"), Need(given="，").allows("春")
        (True, False)
    """

    given: str = ""
    tone: int = ANY
    rhyme: str = ""
    system: System = "pingshui"

    def allows(self, sign: str) -> bool:
        """Whether a character or mark will do."""
        if self.given or not is_han(sign):
            return sign == self.given
        if self.tone != ANY and not tone_of(sign, self.system) & self.tone:
            return False
        return not self.rhyme or self.rhyme in rhymes_of(sign, self.tone, self.system)


# How many characters or marks a writer has that will do.
Supply = Callable[[Need], int]
# Places that rhyme with each other, their tone, and the rhymes that fit by how many characters there are.
RhymeSet = tuple[Sequence[int], int, Mapping[str, int]]


@dataclasses.dataclass(frozen=True)
class Plans:
    """The ways in which a prompt can be continued within its form.

    Attributes:
        form: the places, prompt included.
        begun: how many of them the prompt fills.
        ways: for each part of the form that is chosen by itself the tones that fit.
        rhymes: for each of the ways of the first part its sets of rhyming places.
        system: the tables to go by.
    """

    form: Form
    begun: int
    ways: Sequence[Sequence[Pattern]]
    rhymes: Sequence[Sequence[RhymeSet]]
    system: System

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
            for places, tone, weights in self.rhymes[way] if part == 0 else ():
                shares = np.array(list(weights.values()), dtype=float)
                name = list(weights)[int(draw.choice(len(shares), p=shares / shares.sum()))]
                names |= dict.fromkeys(places, name)
                tones |= dict.fromkeys(places, tone)
        return tuple(
            _need(slot, slot.tone & tones.get(place, ANY), names.get(place, ""), self.system)
            for place, slot in list(enumerate(self.form))[self.begun :]
        )


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
    form = _with_acrostic(rules, _form_for(rules, text))
    given = dict(enumerate(_matched(rules, form, text)))
    given |= {place: slot.given for place, slot in enumerate(form) if slot.given}
    for place, character in given.items():
        if _clash(character, form[place].tone, rules.system):
            raise _tone_clash(character, form[place].tone, place, given)
    ways = [_fitting(patterns, form, given, rules.system) for patterns in _patterns(rules, form, given)]
    sets = [_rhymes(rules, form, pattern, given, supply) for pattern in ways[0]]
    good = [number for number, found in enumerate(sets) if all(weights for _, _, weights in found)]
    if not good:
        raise RequestError(f"--rhyme {rules.rhyme}: {_why_no_rhyme(sets[0], given, rules)}")
    _require_supply(form, len(text), [pattern for patterns in ways for pattern in patterns], rules, supply)
    kept = [[ways[0][number] for number in good], *ways[1:]]
    return Plans(form, len(text), kept, [sets[number] for number in good], rules.system)


def _require_supply(form: Form, begun: int, patterns: Sequence[Pattern], rules: Rules, supply: Supply) -> None:
    """Sees to it that there is something for every open place, however it is regulated."""
    for place, slot in list(enumerate(form))[begun:]:
        for tone in {slot.tone & pattern.get(place, ANY) for pattern in patterns}:
            if not supply(_need(slot, tone, "", rules.system)):
                what = repr(slot.mark or slot.given) if slot.mark or slot.given else f"{_TONE_NAMES[tone]} character"
                raise RequestError(
                    f"the model's vocabulary has no {what}, and the form asks for it\n"
                    "take a model that has read such texts (the source verse has poems and couplets), or another form"
                )


def _form_for(rules: Rules, text: str) -> Form:
    """The form, with the first side of a couplet as long as the prompt has it."""
    if not rules.form:
        return parse("七绝" if len(rules.acrostic) <= 4 else "七律")
    form = parse(rules.form)
    if name_of(rules.form) != "对联":
        return form
    side, separator, _ = text.partition(SEPARATOR)
    if separator and side:
        return (*form_of_text(side), Slot(mark=SEPARATOR), *form_of_text(side))
    if len(side) > len(lines_of(form)[0]) or not all(map(is_han, side)):
        raise RequestError(
            f"the prompt {text!r} does not show where its first side ends\n"
            f"put a - behind it, or give the shape of the couplet, such as --form 4，7-4，7"
        )
    return form


def _with_acrostic(rules: Rules, form: Form) -> Form:
    lines = lines_of(form)
    if other := [sign for sign in rules.acrostic if not is_han(sign)]:
        raise RequestError(f"--acrostic {rules.acrostic!r}: {other[0]!r} is no Chinese character, which begins a line")
    if len(rules.acrostic) > len(lines):
        raise RequestError(
            f"--acrostic {rules.acrostic!r}: a character for each line, and the form has {len(lines)} lines"
        )
    slots = list(form)
    for character, line in zip(rules.acrostic, lines, strict=False):
        if slots[line[0]].given not in ("", character):
            raise RequestError(f"--acrostic: {character!r} where the form has {slots[line[0]].given!r}")
        slots[line[0]] = dataclasses.replace(slots[line[0]], given=character)
    return tuple(slots)


def _matched(rules: Rules, form: Form, text: str) -> str:
    """The prompt, sign by sign at the places of the form."""
    if len(text) >= len(form):
        much = "fills" if len(text) == len(form) else "is longer than"
        raise RequestError(f"the prompt {_short(text)!r} {much} the form {_name(rules)}: nothing can follow")
    line, inside = 1, 0
    for sign, slot in zip(text, form, strict=False):
        wanted = slot.mark or slot.given
        if sign != wanted if wanted else not is_han(sign):
            wanted = repr(wanted) if wanted else "a Chinese character"
            raise RequestError(
                f"the prompt {_short(text)!r} does not fit the form {_name(rules)}: "
                f"{sign!r} in line {line} after {inside} characters, where {wanted} belongs"
            )
        line, inside = (line + 1, 0) if slot.mark else (line, inside + 1)
    return text


def _patterns(rules: Rules, form: Form, given: Mapping[int, str]) -> list[list[Pattern]]:
    """For each part of the form that is regulated by itself the ways to do it; nothing held where tones are off."""
    if rules.tones == "off":
        return [[{}]]
    if regulated(form):
        return [verse_patterns(form, rules.tones)]
    if not is_couplet(form):
        raise RequestError(
            f"--tones {rules.tones}: the form {_name(rules)} is no regulated verse and no couplet\n"
            f"write its tones into the pattern, p for 平 and z for 仄"
        )
    parts = couplet_patterns(form, rules.tones)
    return parts if rules.tones == "strict" else [[*_as_given(patterns, form, given, rules)] for patterns in parts]


def _as_given(patterns: list[Pattern], form: Form, given: Mapping[int, str], rules: Rules) -> Iterator[Pattern]:
    """Patterns of a couplet's clauses with the tones that the prompt has, alternating or not, and their opposites."""
    half = len(form) // 2 + 1
    for pattern in patterns:
        # The end of the first side alone is no matter of choice.
        known = {place: tone_of(given[place], rules.system) for place in pattern if place < half - 2 and place in given}
        own = {place: tone for place, tone in known.items() if tone}
        yield pattern | own | {place + half: opposite(tone) for place, tone in own.items()}


def _fitting(patterns: list[Pattern], form: Form, given: Mapping[int, str], system: System) -> list[Pattern]:
    """The patterns that clash neither with a character that is there nor with a tone that the form asks for."""
    clashes = []
    for pattern in patterns:
        found = [place for place, tone in pattern.items() if not tone & form[place].tone]
        found += [place for place, sign in given.items() if _clash(sign, pattern.get(place, ANY), system)]
        clashes.append(found)
    if all(clashes):
        # The pattern that fits furthest: where it breaks, no other goes on.
        furthest = max(range(len(patterns)), key=lambda number: min(clashes[number]))
        place = min(clashes[furthest])
        raise _tone_clash(given.get(place, ""), patterns[furthest][place], place, given)
    return [pattern for pattern, found in zip(patterns, clashes, strict=True) if not found]


def _clash(sign: str, tone: int, system: System) -> bool:
    """Whether a character is known to have another tone."""
    known = tone_of(sign, system) if is_han(sign) else 0
    return bool(known) and not known & tone


def _rhymes(rules: Rules, form: Form, pattern: Pattern, given: Mapping[int, str], supply: Supply) -> list[RhymeSet]:
    """Sets of rhyming places, the tone of each, and the rhymes that fit, by how many characters there are."""
    sets = [
        (tone, [place for place, slot in enumerate(form) if slot.rhymes and slot.tone == tone])
        for tone in (LEVEL, OBLIQUE)
    ]
    if rules.rhyme == "off":
        if any(places for _, places in sets):
            raise RequestError(f"the form {_name(rules)} rhymes (R, r): say how, --rhyme pingshui or --rhyme modern")
        return []
    if regulated(form):
        sets = [(LEVEL, rhyme_places(form, pattern))]
    if not any(places for _, places in sets):
        raise RequestError(f"--rhyme: nothing rhymes in the form {_name(rules)}; mark what should with R or r")
    found: list[RhymeSet] = []
    for tone, places in sets:
        if places:
            weights = {name: supply(Need("", tone, name, rules.system)) for name in rhymes(tone, rules.system)}
            fitting = [
                name for name in weights if all(_fits(given[p], tone, name, rules) for p in places if p in given)
            ]
            found.append((places, tone, {name: weights[name] for name in fitting if weights[name]}))
    return found


def _fits(character: str, tone: int, name: str, rules: Rules) -> bool:
    """Whether a character has a rhyme, or none that is known."""
    known = tone_of(character, rules.system)
    return not known or name in rhymes_of(character, tone, rules.system)


def _why_no_rhyme(sets: Sequence[RhymeSet], given: Mapping[int, str], rules: Rules) -> str:
    words = [given[place] for places, _, weights in sets if not weights for place in places if place in given]
    if words:
        return f"{'、'.join(words)} of the prompt and the form cannot rhyme"
    return "the model's vocabulary has no characters that rhyme"


def _need(slot: Slot, tone: int, rhyme: str, system: System) -> Need:
    return Need(slot.mark or slot.given) if slot.mark or slot.given else Need("", tone, rhyme, system)


def _tone_clash(sign: str, wanted: int, place: int, given: Mapping[int, str]) -> RequestError:
    if not sign:
        return RequestError(f"--tones: the form asks for another tone than {_TONE_NAMES[wanted]} at place {place + 1}")
    before = "".join(given[number] for number in range(max(0, place - 6), place) if number in given)
    cut = "…" if place > 6 else ""
    return RequestError(
        f"the prompt, at {cut}{before}{sign}: no pattern of tones fits, "
        f"{sign!r} is {_TONE_NAMES[opposite(wanted)]} where {_TONE_NAMES[wanted]} belongs\n"
        "other words, other tones (--tones, or those of the pattern), or another form"
    )


def _name(rules: Rules) -> str:
    return rules.form or "of the acrostic"


def _short(text: str) -> str:
    return text if len(text) <= 20 else f"{text[:20]}…"
