"""The tunes of ci (词牌) that have names: the patterns of their variants, in the notation of forms."""

import functools

from kgpt2.assets import verse_table


def tune_pattern(name: str) -> str:
    """The pattern of a tune; "" where there is none of this name.

    Args:
        name: of the tune, or another that it has; behind it the number of a variant, without one the commonest.

    Example:
        >>> tune_pattern("浣溪沙")
        'xzppzzR1。xpxzzpR1。xpxzzpR1。xzxppzz，xpxzzpR1。xpxzzpR1。'
        >>> tune_pattern("浣溪沙1") == tune_pattern("浣溪沙"), tune_pattern("浣溪沙0")
        (True, '')
    """
    tune = name.rstrip("0123456789")
    if not tune or len(tune) > 5:
        return ""
    return _patterns().get((tune, name[len(tune) :] or "1"), "")


def tunes() -> dict[str, int]:
    """The names of all tunes, and how many variants each has.

    Example:
        >>> tunes()["菩萨蛮"] >= 1, len(tunes()) >= 90
        (True, True)
    """
    counts: dict[str, int] = {}
    for name, _, number, _ in _rows():
        counts[name] = int(number)
    return counts


@functools.cache
def _rows() -> tuple[tuple[str, str, str, str], ...]:
    rows = (line.split("\t") for line in verse_table("tunes").read_text("utf-8").splitlines())
    return tuple((name, others, number, pattern) for name, others, number, pattern in rows)


@functools.cache
def _patterns() -> dict[tuple[str, str], str]:
    return {
        (called, number): pattern for name, others, number, pattern in _rows() for called in (name, *others.split())
    }
