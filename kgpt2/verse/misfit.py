"""Where the lines of a text are not those of a form that it should have."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kgpt2.verse.check_tune import variants_of
from kgpt2.verse.notation import lines_of, parse
from kgpt2.verse.tunes import tune_cuts


class Misfit(NamedTuple):
    """A line of another length, or another number of lines.

    Attributes:
        line: the first line of another length, from 1; 0: what there is of lines fits, but not how many there are.
        wanted: how many characters the line has in the form; for 0, how many lines the form has.
        found: the same of the text.
    """

    line: int
    wanted: int
    found: int


def misfit(words: Sequence[str], form: str) -> Misfit | None:
    """Where a text leaves a form first; of a tune's variants and cuts (句读), the one that most lines fit.

    Args:
        words: the lines of the text, their marks left out.
        form: a name or a pattern.

    Returns:
        None where its lines are those of the form.

    Raises:
        RequestError: there is no such form.

    Example:
        >>> misfit(["白日依山尽", "黄河入海流", "欲穷千里目", "更上一楼"], "五绝")
        Misfit(line=4, wanted=5, found=4)
    """
    lengths = [*map(len, words)]
    cut = [one for name in variants_of(form) for one in _cut(name)]
    wanted = min(cut, key=lambda own: sum(a != b for a, b in itertools.zip_longest(own, lengths)))
    for number, (own, length) in enumerate(zip(wanted, lengths, strict=False), 1):
        if own != length:
            return Misfit(number, own, length)
    return Misfit(0, len(wanted), len(lengths)) if len(wanted) != len(lengths) else None


def _cut(name: str) -> Iterator[list[int]]:
    """The lengths of the lines of a form: its own, and with each of the other cuts that its tune has."""
    own = [len(line) for line in lines_of(parse(name))]
    yield own
    for line, lengths in tune_cuts(name):
        ends = itertools.accumulate(own[line - 1 :])
        replaced = next(number for number, total in enumerate(ends, 1) if total == sum(lengths))
        yield [*own[: line - 1], *lengths, *own[line - 1 + replaced :]]
