"""How the beginning of a ci cuts its lines: where other ci cut a tune so too, and at pauses (、)."""

import dataclasses
from collections.abc import Sequence

from kgpt2.verse.han import is_han
from kgpt2.verse.notation import Form, Slot, own_rhymes, parse
from kgpt2.verse.tunes import tune_cuts

PAUSE = "、"


def cut_like(form: str, text: str) -> Form:
    """The places of a form, cut as the beginning is where ci cut the tune so (句读), with the beginning's pauses.

    Args:
        form: a name or a pattern.
        text: the beginning, its marks full-width.

    Raises:
        RequestError: there is no such form.

    Example:
        >>> "".join(slot.mark or "字" for slot in cut_like("念奴娇", "大江东去，浪淘尽，千古风流人物。"))[:17]
        '字字字字，字字字，字字字字字字。字'
    """
    slots = parse(form)
    if not own_rhymes(slots):
        return slots
    if not any(slot.mark == PAUSE for slot in slots):
        slots = _cut(slots, tune_cuts(form), text.replace(PAUSE, ""))
    return _with_pauses(slots, text)


def _cut(form: Form, cuts: Sequence[tuple[int, tuple[int, ...]]], text: str) -> Form:
    """The form, its stretches from rhyme to rhyme cut in the first way that the text fits, or as they are."""
    found: list[Slot] = []
    line, begins = 1, 0
    for place, slot in enumerate(form):
        if not slot.mark:
            continue
        if form[place - 1].rhyme or place == len(form) - 1:
            stretch = form[begins : place + 1]
            ways = [stretch, *(_recut(stretch, lengths) for number, lengths in cuts if number == line)]
            behind = text[len(found) :]
            found += next((way for way in ways if _fits(way, behind)), stretch)
            line, begins = line + sum(bool(one.mark) for one in stretch), place + 1
    return (*found, *form[begins:])


def _recut(stretch: Form, lengths: Sequence[int]) -> Form:
    """A stretch with commas at other places; its last mark stays."""
    signs = [slot for slot in stretch if not slot.mark]
    ends = {sum(lengths[: number + 1]) for number in range(len(lengths) - 1)}
    cut: list[Slot] = []
    for number, slot in enumerate(signs, 1):
        cut += [slot, Slot(mark="，")] if number in ends else [slot]
    return (*cut, stretch[-1])


def _fits(stretch: Form, text: str) -> bool:
    return all(bool(slot.mark) != is_han(sign) for slot, sign in zip(stretch, text, strict=False))


def _with_pauses(form: Form, text: str) -> Form:
    """The form with a pause wherever the text has one: in place of a comma, or within a line."""
    slots = [*form]
    for place, sign in enumerate(text[: len(slots)]):
        if sign != PAUSE or place == 0 or slots[place].mark == PAUSE:
            continue
        if slots[place].mark == "，":
            slots[place] = Slot(mark=PAUSE)
        elif not slots[place].mark and not slots[place - 1].mark:
            # What repeats a character from before the pause is one place further from it.
            later = [
                dataclasses.replace(slot, back=slot.back + 1) if slot.back > number else slot
                for number, slot in enumerate(slots[place:])
            ]
            slots[place:] = [Slot(mark=PAUSE), *later]
    return tuple(slots)
