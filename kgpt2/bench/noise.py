"""Whether a machine was quiet enough for what was measured on it."""

import statistics
from collections.abc import Sequence

from kgpt2.bench.turns import Spread

# What others may take of the processors, and how far the rounds of a row may lie apart, as shares.
BUSY, SPREAD = 0.1, 0.25


def noisy(busy: float, rates: Sequence[Spread]) -> bool:
    """Whether the figures of a row say little; see `too_noisy`.

    Example:
        >>> noisy(0.02, [{"min": 9.0, "median": 10.0, "max": 12.0}])
        True
    """
    return busy > BUSY or any(_width(rate) > SPREAD for rate in rates)


def too_noisy(busy: float, rates: Sequence[Spread]) -> str | None:
    """What to say where figures say little; None: nothing.

    Args:
        busy: of the processors, before anything was measured; see `environment.busy`.
        rates: of each row.

    Example:
        >>> too_noisy(0.02, [{"min": 9.0, "median": 10.0, "max": 11.0}])
        >>> print(too_noisy(0.5, []))
        too noisy to tell: something else took 50% of the processors
        close what else runs, or ask for more --rounds
    """
    reasons = []
    if busy > BUSY:
        reasons.append(f"something else took {busy:.0%} of the processors")
    wide = [width for width in map(_width, rates) if width > SPREAD]
    if wide:
        reasons.append(
            f"the rounds of {len(wide)} of {len(rates)} rows differ by more than {SPREAD:.0%} "
            f"(by {statistics.median(wide):.0%} in the middle)"
        )
    if not reasons:
        return None
    return f"too noisy to tell: {', and '.join(reasons)}\nclose what else runs, or ask for more --rounds"


def _width(rate: Spread) -> float:
    """How far the rounds of a row lie apart, as a share of their median."""
    return (rate["max"] - rate["min"]) / rate["median"]
