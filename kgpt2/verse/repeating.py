"""叠句: places of a form that repeat a character, as 争渡，争渡 in 如梦令."""

import dataclasses

from kgpt2.errors import RequestError, quoted
from kgpt2.verse.notation import Form


def origins(form: Form) -> dict[int, int]:
    """The places that repeat a character, and the first place of that character.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> origins(parse("xz。=2=2。=2x。"))
        {3: 0, 4: 1, 6: 0}
    """
    found: dict[int, int] = {}
    for place, slot in enumerate(form):
        if slot.back:
            found[place] = found.get(place - slot.back, place - slot.back)
    return found


def with_repeats(form: Form, text: str) -> Form:
    """The form with a character that is given at one place given wherever it is repeated.

    Args:
        form: the places.
        text: what stands at the first of them already.

    Raises:
        RequestError: other characters are given where one is repeated.

    Example:
        >>> from kgpt2.verse.notation import parse
        >>> [slot.given for slot in with_repeats(parse("xz。=2=2。"), "争")]
        ['争', '', '', '争', '', '']
    """
    repeated = origins(form)
    given: dict[int, str] = {}
    slots = list(form)
    for place, slot in enumerate(form):
        origin = repeated.get(place, place)
        sign = slot.given or ("" if slot.mark else text[place : place + 1])
        if sign and given.setdefault(origin, sign) != sign:
            raise RequestError(
                f"{quoted(sign)} where the form repeats {quoted(given[origin])} (叠句)\n"
                "write the same character at both places, or take another form"
            )
    for place, slot in enumerate(form):
        sign = given.get(repeated.get(place, place), "")
        if sign and (place in repeated or place in repeated.values()):
            slots[place] = dataclasses.replace(slot, given=sign)
    return tuple(slots)
