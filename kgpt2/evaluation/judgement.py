"""What the ratings of people say: means with their intervals, agreement, and which source is preferred."""

import collections
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kgpt2.evaluation.ratings import Rating

RESAMPLES = 10_000
# The share of resamples that an interval holds.
CONFIDENCE = 0.95


def judge(ratings: Iterable[Rating], seed: int = 0) -> dict[str, dict[str, Any]]:
    """What is said of each source, a criterion at a time.

    Args:
        ratings: of all raters.
        seed: of the bootstrap.

    Returns:
        by criterion: `sources` (by name: `mean`, the interval `low` to `high`, how many `texts` and `ratings`), `alpha`
        (see `krippendorff_alpha`; None for one rater) and `pairs` (two `sources`; on how many beginnings the first is
        `better`, `worse` or `equal`; `p` of `sign_test`).

    Example:
        >>> rated = [Rating("a.csv", "overall", "x", "model", 0, 4), Rating("a.csv", "overall", "y", "reference", 0, 5)]
        >>> judge(rated)["overall"]["pairs"]
        [{'sources': ['model', 'reference'], 'better': 0, 'worse': 1, 'equal': 0, 'p': 1.0}]
    """
    found: dict[str, list[Rating]] = collections.defaultdict(list)
    for rating in ratings:
        found[rating.criterion].append(rating)
    return {criterion: _judge_one(values, seed) for criterion, values in found.items()}


def _judge_one(ratings: Sequence[Rating], seed: int) -> dict[str, Any]:
    by_code: dict[str, list[int]] = collections.defaultdict(list)
    places: dict[str, tuple[str, int]] = {}
    for rating in ratings:
        by_code[rating.code].append(rating.value)
        places[rating.code] = rating.source, rating.item
    by_item: dict[str, dict[int, list[float]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for code, values in by_code.items():
        source, item = places[code]
        by_item[source][item].append(statistics.fmean(values))
    means = {
        source: {item: statistics.fmean(texts) for item, texts in by_item[source].items()} for source in sorted(by_item)
    }
    sources = {}
    for source, of_items in means.items():
        low, high = bootstrap_interval(list(of_items.values()), seed)
        counts = [len(values) for code, values in by_code.items() if places[code][0] == source]
        mean = statistics.fmean(of_items.values())
        sources[source] = {"mean": mean, "low": low, "high": high, "texts": len(counts), "ratings": sum(counts)}
    alpha = krippendorff_alpha(by_code.values()) if len({rating.rater for rating in ratings}) > 1 else None
    return {
        "sources": sources,
        "alpha": alpha,
        "pairs": [_pair(means, *two) for two in itertools.combinations(means, 2)],
    }


def _pair(means: Mapping[str, Mapping[int, float]], one: str, other: str) -> dict[str, Any]:
    both = [(means[one][item], means[other][item]) for item in means[one].keys() & means[other].keys()]
    better, worse = sum(a > b for a, b in both), sum(a < b for a, b in both)
    return {
        "sources": [one, other],
        "better": better,
        "worse": worse,
        "equal": len(both) - better - worse,
        "p": sign_test(better, worse),
    }


def bootstrap_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The middle 95% of the means of samples drawn from values with replacement (Efron 1979, percentile method).

    Example:
        >>> bootstrap_interval([3.0, 3.0, 3.0])
        (3.0, 3.0)
    """
    draws = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)), dtype=np.int32)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.asarray(values)[draws].mean(axis=1), (tail, 1 - tail))
    return float(low), float(high)


def sign_test(better: int, worse: int) -> float:
    """How often a fair coin falls at least as unevenly: the exact two-sided sign test; ties are left out.

    Example:
        >>> sign_test(9, 1)
        0.021484375
    """
    total = better + worse
    tail = sum(math.comb(total, count) for count in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / (1 << total))


def krippendorff_alpha(units: Iterable[Sequence[int]]) -> float | None:
    """How far raters agree beyond chance: 1 wholly, 0 as chance would, below 0 less (Krippendorff 2011, ordinal).

    Args:
        units: the ratings that each text got, in any order; a text with fewer than two says nothing.

    Returns:
        None where no text has two ratings, or all ratings are the same: there is no chance to compare with.

    Example:
        >>> krippendorff_alpha([[1, 1], [3, 3], [5, 5]])
        1.0
    """
    units = [unit for unit in units if len(unit) > 1]
    values = sorted({value for unit in units for value in unit})
    if len(values) < 2:
        return None
    pairs = np.zeros((len(values), len(values)))
    for unit in units:
        counts = np.asarray([unit.count(value) for value in values], float)
        pairs += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    totals = pairs.sum(axis=0)
    # The ordinal distance of two ranks: all ratings between them, those at both ends counted half.
    middles = np.cumsum(totals) - totals / 2
    distances = (middles[:, None] - middles[None, :]) ** 2
    observed = float((pairs * distances).sum())
    expected = float((np.outer(totals, totals) * distances).sum()) / (float(totals.sum()) - 1)
    return 1 - observed / expected
