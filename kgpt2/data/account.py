"""What a tokenised source amounts to, for people and for scripts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from kgpt2.data.token_cache import Tokenised

_BARS = 12


class Lengths(TypedDict):
    """Of the examples in tokens, start and end token included."""

    total: int
    mean: float
    p50: int
    p95: int
    max: int


class Account(TypedDict):
    """Counts, lengths, the share of [UNK], what was dropped and cleaned, and examples where they are asked for."""

    source: str
    count: int
    characters: int
    tokens: Lengths
    unknown_fraction: float
    dropped: Mapping[str, int]
    cleaned: Mapping[str, int]
    problems: Sequence[str]
    examples: NotRequired[Sequence[str]]


def account(tokenised: Tokenised) -> Account:
    """The account of a source, as `kgpt2 data --json` prints it."""
    lengths = tokenised.table.lengths
    p50, p95 = np.percentile(lengths, [50, 95], method="inverted_cdf")
    return {
        "source": tokenised.spec,
        "count": len(lengths),
        "characters": tokenised.characters,
        "tokens": {
            "total": int(lengths.sum()),
            "mean": round(float(lengths.mean()), 2),
            "p50": int(p50),
            "p95": int(p95),
            "max": int(lengths.max()),
        },
        "unknown_fraction": round(tokenised.unknown / int(lengths.sum()), 6),
        "dropped": tokenised.dropped,
        "cleaned": tokenised.cleaned,
        "problems": tokenised.problems,
    }


def histogram(lengths: NDArray[np.integer]) -> Iterator[str]:
    r"""How many examples there are of each length, in a dozen lines of text; the last one takes the longest of 100.

    Example:
        >>> print(*histogram(np.array([3, 3, 9])), sep="\n")
             3-3      ████████████████████████████████████████ 2
             9-9      ████████████████████ 1
    """
    most = int(np.percentile(lengths, 99, method="inverted_cdf"))
    step = max(1, -(-most // _BARS))
    counts = np.bincount(np.minimum((lengths - 1) // step, _BARS - 1))
    for number, count in enumerate(counts):
        if count:
            bar = "█" * max(1, round(40 * int(count) / int(counts.max())))
            stop = int(lengths.max()) if number == len(counts) - 1 else (number + 1) * step
            yield f"{number * step + 1:>6}-{stop:<6} {bar} {count:,}"
