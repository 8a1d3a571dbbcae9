"""The edges of the statistics: nothing, one value, all the same, and the ends of every range."""

from __future__ import annotations

import math

import pytest

from evalkit.stats import distributions as d
from evalkit.stats import proportions as p
from evalkit.stats.percentiles import bounds, needed, percentile
from evalkit.stats.sequential import holm_levels
from evalkit.stats.trend import trend


def test_the_beta_function_at_and_beyond_its_ends():
    assert [d.beta_cdf(x, 2, 3) for x in (-1.0, 0.0, 1.0, 2.0)] == [0.0, 0.0, 1.0, 1.0]
    assert d.beta_cdf(0.5, 1, 1) == pytest.approx(0.5)
    # I_x(2, 3) = 6x^2 - 8x^3 + 3x^4, on both sides of the switch between the fractions
    for x in (0.1, 0.428, 0.429, 0.9):
        assert d.beta_cdf(x, 2, 3) == pytest.approx(6 * x**2 - 8 * x**3 + 3 * x**4, abs=1e-12)
        assert d.beta_quantile(d.beta_cdf(x, 2, 3), 2, 3) == pytest.approx(x, abs=1e-12)


def test_the_binomial_at_its_ends():
    assert [d.binomial_pmf(k, 3, 0.0) for k in (0, 1)] == [1.0, 0.0]
    assert [d.binomial_pmf(k, 3, 1.0) for k in (2, 3)] == [0.0, 1.0]
    assert d.binomial_pmf(1, 3, 0.5) == pytest.approx(0.375)
    assert [d.binomial_cdf(k, 3, 0.5) for k in (-1, 0, 1, 2, 3, 4)] == pytest.approx([0.0, 0.125, 0.5, 0.875, 1.0, 1.0])


def test_t_is_symmetric_and_half_at_zero():
    assert d.t_cdf(0.0, 5) == pytest.approx(0.5)
    assert d.t_quantile(0.5, 5) == 0.0
    # one degree of freedom is Cauchy's: tan(pi (p - 1/2)), far out as well
    for share in (0.6, 0.99, 0.9999):
        assert d.t_quantile(share, 1) == pytest.approx(math.tan(math.pi * (share - 0.5)), rel=1e-9)
    assert d.normal_cdf(d.normal_quantile(0.3)) == pytest.approx(0.3)


@pytest.mark.parametrize("p", [0.0, 1.0, -1.0, 2.0])
def test_no_quantile_beyond_the_ends(p):
    with pytest.raises(ValueError, match="between 0 and 1"):
        d.t_quantile(p, 3)


def test_percentiles_of_nothing_one_and_infinity():
    assert math.isnan(percentile([], 0.5))
    assert [percentile([7.0], share) for share in (0.0, 0.5, 1.0)] == [7.0, 7.0, 7.0]
    assert [percentile([1.0, 3.0], share) for share in (0.0, 0.25, 0.5, 1.0)] == [1.0, 1.5, 2.0, 3.0]
    assert percentile([1.0, math.inf, math.inf], 0.9) == math.inf
    empty = bounds([], 0.5)
    assert (empty.low, empty.high, empty.n) == (None, None, 0)


def test_percentile_bounds_are_the_order_statistics_at_the_asked_confidence():
    # n = 5, median: P(X <= 4) = 31/32 >= 0.95, so the largest bounds it from above and the smallest from below
    got = bounds([5.0, 3.0, 1.0, 2.0, 4.0], 0.5)
    assert (got.low, got.high, got.estimate, got.n) == (1.0, 5.0, 3.0, 5)
    assert bounds([1.0, 2.0, 3.0, 4.0], 0.5).high is None
    assert bounds([1.0, 2.0, 3.0, 4.0], 0.5, 0.9).high == 4.0
    assert [needed(0.5), needed(0.95), needed(0.99), needed(0.5, 0.5)] == [5, 59, 299, 1]


def test_holm_tests_the_least_likely_claim_hardest():
    assert holm_levels({"b": 0.02, "a": 0.02, "c": 0.001}, 0.06) == pytest.approx({"c": 0.02, "a": 0.03, "b": 0.06})


def test_no_trend_from_seven_points_one_place_or_equal_values():
    assert trend(list(range(7)), [0.0] * 7) is None
    assert trend([3.0] * 8, list(range(8))) is None
    flat = trend(list(range(8)), [1.0] * 8)
    assert (flat.change, flat.p, flat.n) == (1.0, 1.0, 8)


def test_a_straight_line_is_a_trend_beyond_doubt_and_its_change_is_from_end_to_end():
    line = trend([2.0 * n for n in range(9)], [0.125 * n for n in range(9)])
    assert line.change == pytest.approx(math.e)
    assert line.p == pytest.approx(0.0, abs=1e-12)
    steep = trend(list(range(8)), [100.0 * n for n in range(8)])
    assert math.log(steep.change) == pytest.approx(50)
    falling = trend(list(range(8)), [-100.0 * n for n in range(8)])
    assert math.log(falling.change) == pytest.approx(-50)


def test_a_trend_against_the_textbook():
    # x 1..8, y as below: slope 0.2238, standard error 0.0557, t = 4.02 at 6 degrees of freedom
    logs = [0.1, 0.5, 0.2, 0.9, 0.7, 1.1, 1.7, 1.3]
    xs = list(range(1, 9))
    mean = sum(logs) / 8
    slope = sum((x - 4.5) * (y - mean) for x, y in zip(xs, logs, strict=True)) / 42
    rest = sum((y - mean - slope * (x - 4.5)) ** 2 for x, y in zip(xs, logs, strict=True))
    t = slope / math.sqrt(rest / 6 / 42)
    found = trend(xs, logs)
    assert found.change == pytest.approx(math.exp(7 * slope))
    assert found.p == pytest.approx(2 * (1 - d.t_cdf(t, 6)))
    assert found.p < 0.01


def test_intervals_of_no_cases_say_nothing():
    for got, ends in (
        (p.wilson(0, 0), (0.0, 1.0)),
        (p.clopper_pearson(0, 0), (0.0, 1.0)),
        (p.tango(0, 0, 0, 0), (-1.0, 1.0)),
        (p.paired_difference(0, 0, 0, 0), (-1.0, 1.0)),
    ):
        assert (got.low, got.high) == ends
        assert math.isnan(got.estimate)
    assert p.power_noninferiority(0, 0.1, 0.05) == 0.0


def test_bonett_price_by_hand():
    # (n10 + 1)/(n + 2) = 13/102 and (n01 + 1)/(n + 2) = 4/102; z of one-sided 5% is 1.644854
    up, down = 13 / 102, 4 / 102
    half = 1.6448536269514722 * math.sqrt((up + down - (up - down) ** 2) / 102)
    got = p.paired_difference(70, 12, 3, 15)
    assert (got.low, got.high, got.estimate) == pytest.approx((up - down - half, up - down + half, 0.09))


def test_a_paired_difference_never_leaves_minus_one_to_one():
    assert p.paired_difference(0, 1, 0, 0).high == 1.0
    assert p.paired_difference(0, 0, 1, 0).low == -1.0


def test_a_bound_that_meets_the_confidence_exactly_is_one():
    assert bounds([1.0], 0.5, 0.5) == bounds([1.0], 0.5, 0.4999)
    assert (bounds([1.0], 0.5, 0.5).low, bounds([1.0], 0.5, 0.5).high) == (1.0, 1.0)


def test_percentiles_of_three_and_of_equal_neighbours():
    got = [percentile([1.0, 2.0, 4.0], share) for share in (0.25, 0.5, 0.6, 0.75, 1.0)]
    assert got == pytest.approx([1.5, 2.0, 2.4, 3.0, 4.0])
    assert percentile([1.0, 1.0, 9.0], 0.25) == 1.0
    assert percentile([math.inf, math.inf], 0.5) == math.inf  # and not the difference of two infinities


@pytest.mark.parametrize("n", [6, 20, 59])
@pytest.mark.parametrize(("share", "confidence"), [(0.5, 0.95), (0.8, 0.9), (0.95, 0.9)])
def test_percentile_bounds_are_the_nearest_values_that_hold(n, share, confidence):
    def below(k):  # chance that at most k of n values lie below the percentile
        return sum(math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(k + 1))

    highs = [k for k in range(n) if below(k) >= confidence]
    lows = [k for k in range(n) if 1 - below(k) >= confidence]
    got = bounds(list(range(n))[::-1], share, confidence)
    assert (got.low, got.high) == (max(lows, default=None), min(highs, default=None))
    assert got.estimate == pytest.approx(share * (n - 1))
    assert bounds(range(n), share) == bounds(range(n), share, 0.95)


def test_a_trend_needs_not_come_in_order_and_falls_as_it_rises():
    places = [3.0, 0.0, 5.0, 1.0, 4.0, 2.0, 7.0, 6.0]
    logs = [
        0.1 * x + noise for x, noise in zip(places, [0.05, -0.02, 0.0, 0.03, -0.04, 0.01, 0.02, -0.05], strict=True)
    ]
    rising, falling = trend(places, logs), trend(places, [-y for y in logs])
    assert rising.p == pytest.approx(falling.p)
    assert rising.p < 0.01
    assert rising.change * falling.change == pytest.approx(1.0)
    later = trend([x + 100 for x in places], [y - 3 for y in logs])
    assert (later.change, later.p) == (pytest.approx(rising.change), pytest.approx(rising.p))


def test_readings_without_a_place_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        trend(list(range(9)), [0.0] * 8)
