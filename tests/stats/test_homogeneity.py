"""Cochran's Q against figures of the textbook and of other programs."""

from __future__ import annotations

import math
import random

import pytest

from evalkit.stats.distributions import chi_square_tail, normal_quantile
from evalkit.stats.interval import Interval, cochran


@pytest.mark.parametrize(
    ("x", "df", "p"),
    [
        (3.841459, 1, 0.05),
        (5.991465, 2, 0.05),
        (18.307038, 10, 0.05),
        (6.634897, 1, 0.01),
        (0.0, 3, 1.0),
        (124.342, 100, 0.05),
    ],
)
def test_tails_of_chi_squared_are_those_of_the_tables(x, df, p):
    assert chi_square_tail(x, df) == pytest.approx(p, abs=1e-6)


@pytest.mark.parametrize("x", [0.1, 1.0, 3.9, 4.1, 20.0, 300.0])
def test_two_degrees_of_freedom_are_exponential(x):
    assert chi_square_tail(x, 2) == pytest.approx(math.exp(-x / 2), rel=1e-12)


def ratio(log, error):
    z = normal_quantile(0.975)
    return Interval(math.exp(log - z * error), math.exp(log + z * error), math.exp(log))


def test_q_is_the_weighted_sum_of_squares():
    found = cochran([ratio(0.0, 0.1), ratio(0.3, 0.1), ratio(0.6, 0.2)], 0.95)
    mean = (0.0 * 100 + 0.3 * 100 + 0.6 * 25) / 225
    q = 100 * mean**2 + 100 * (0.3 - mean) ** 2 + 25 * (0.6 - mean) ** 2
    assert (found.q, found.df) == (pytest.approx(q), 2)
    assert found.pooled == pytest.approx(math.exp(mean))
    assert found.p == pytest.approx(math.exp(-q / 2))
    assert found.i2 == pytest.approx((q - 2) / q)


def test_it_is_wrong_as_rarely_as_it_says():
    draw = random.Random(7)
    ps = [cochran([ratio(draw.gauss(0.5, e), e) for e in (0.05, 0.1, 0.2, 0.1)], 0.95).p for _ in range(2000)]
    assert 0.03 < sum(p < 0.05 for p in ps) / 2000 < 0.07


@pytest.mark.parametrize(
    "bad",
    [[], [Interval(1, 2, 1.5)], [Interval(1, 2, 1.5), Interval(2, 2, 2)], [Interval(0, 2, 1), Interval(1, 2, 1.5)]],
)
def test_without_two_intervals_there_is_no_test(bad):
    assert cochran(bad, 0.95) is None
