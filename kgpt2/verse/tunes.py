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


def tune_cuts(name: str) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """How else the lines of a tune are cut between two rhymes: the first line's number, from 1, and the lengths.

    Args:
        name: as for `tune_pattern`; a name that is none has no cuts.

    Example:
        >>> (3, (4, 7)) in tune_cuts("水调歌头"), tune_cuts("浣溪沙")
        (True, ())
    """
    tune = name.rstrip("0123456789")
    cuts = _cuts().get((tune, name[len(tune) :] or "1"), "")
    pairs = (cut.split(":") for cut in cuts.split())
    return tuple((int(line), tuple(map(int, lengths.split(",")))) for line, lengths in pairs)


def variant_count(name: str) -> int:
    """How many variants a tune has, by any of its names, with or without a number; 0: it is none.

    Example:
        >>> variant_count("忆秦娥2"), variant_count("秦楼月"), variant_count("七绝")
        (2, 2, 0)
    """
    tune = name.rstrip("0123456789")
    return sum(called == tune for called, _ in _patterns())


def tune_names() -> set[str]:
    """All names of all tunes, the other names of a tune among them.

    Example:
        >>> {"忆秦娥", "秦楼月"} <= tune_names()
        True
    """
    return {called for called, _ in _patterns()}


def tunes() -> dict[str, int]:
    """The names of all tunes, and how many variants each has.

    Example:
        >>> tunes()["菩萨蛮"] >= 1, len(tunes()) >= 90
        (True, True)
    """
    counts: dict[str, int] = {}
    for name, _, number, _, _ in _rows():
        counts[name] = int(number)
    return counts


@functools.cache
def _rows() -> tuple[tuple[str, str, str, str, str], ...]:
    rows = (line.split("\t") for line in verse_table("tunes").read_text("utf-8").splitlines())
    return tuple((name, others, number, pattern, cuts) for name, others, number, pattern, cuts in rows)


@functools.cache
def _patterns() -> dict[tuple[str, str], str]:
    return {(called, number): pattern for called, number, pattern, _ in _called()}


@functools.cache
def _cuts() -> dict[tuple[str, str], str]:
    return {(called, number): cuts for called, number, _, cuts in _called()}


def _called() -> list[tuple[str, str, str, str]]:
    """(name, number, pattern, cuts), the other names of a tune among them."""
    return [(called, *row[2:]) for row in _rows() for called in (row[0], *row[1].split())]
