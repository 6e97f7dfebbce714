"""The statistics of judging, held against published figures and other libraries."""

import numpy as np
import pytest

from kgpt2.evaluation.judgement import bootstrap_interval, krippendorff_alpha, sign_test

# Four observers and twelve units, section C of Krippendorff, Computing Krippendorff's Alpha-Reliability (2011).
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def test_alpha_is_krippendorffs():
    units = [[value for value in unit if value is not None] for unit in zip(*OBSERVERS, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.815, abs=5e-4)


def test_alpha_of_chance_and_of_nothing():
    draw = np.random.default_rng(0)
    assert krippendorff_alpha(draw.integers(1, 6, (20000, 2)).tolist()) == pytest.approx(0, abs=0.02)
    assert krippendorff_alpha([[1, 5], [5, 1]]) < 0
    assert krippendorff_alpha([[3, 3], [3, 3]]) is None
    assert krippendorff_alpha([[3], [4]]) is None


def test_the_sign_test_is_scipys():
    from scipy.stats import binomtest

    for better, worse in ((0, 0), (3, 3), (9, 1), (0, 7), (40, 60)):
        expected = binomtest(better, better + worse).pvalue if better + worse else 1.0
        assert sign_test(better, worse) == pytest.approx(expected)


def test_the_interval_is_scipys():
    from scipy.stats import bootstrap

    values = np.random.default_rng(1).integers(1, 6, 60).astype(float)
    expected = bootstrap((values,), np.mean, method="percentile", random_state=0).confidence_interval
    assert bootstrap_interval(values.tolist()) == pytest.approx((expected.low, expected.high), abs=0.03)
