"""Shares and paired differences by the equations that their bounds solve, in closed form, and at every edge."""

from __future__ import annotations

import math

import pytest

from evalkit.stats import proportions as p
from evalkit.stats.distributions import binomial_cdf, normal_quantile, t_quantile
from evalkit.stats.interval import Interval

SHARES = [(k, n) for n in (1, 2, 7, 40) for k in {0, 1, n // 2, n - 1, n}]


def test_an_interval_holds_its_ends_and_half_its_width():
    got = Interval(0.25, 0.75, 0.4)
    assert (got.high - got.low) / 2 == 0.25
    assert [got.contains(x) for x in (0.2, 0.25, 0.4, 0.75, 0.8)] == [False, True, True, True, False]


@pytest.mark.parametrize("conf", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), SHARES)
def test_wilson_bounds_are_the_shares_that_lie_z_errors_away(k, n, conf):
    got, z = p.wilson(k, n, conf), normal_quantile(0.5 + conf / 2)
    assert got.estimate == k / n
    for end in (got.low, got.high):
        assert abs(k / n - end) == pytest.approx(z * math.sqrt(end * (1 - end) / n), abs=1e-12)
    assert (got.low == 0.0) == (k == 0)
    assert (got.high == 1.0) == (k == n)
    assert got.low <= k / n <= got.high
    assert got.low < got.high
    other = p.wilson(n - k, n, conf)
    assert (other.low, other.high) == pytest.approx((1 - got.high, 1 - got.low), abs=1e-12)


@pytest.mark.parametrize("conf", [0.8, 0.95])
@pytest.mark.parametrize(("k", "n"), SHARES)
def test_clopper_pearson_bounds_leave_the_tail_on_each_side(k, n, conf):
    got, tail = p.clopper_pearson(k, n, conf), (1 - conf) / 2
    assert got.estimate == k / n
    assert 1 - binomial_cdf(k - 1, n, got.low) == pytest.approx(tail if k else 1.0, abs=1e-9)
    assert binomial_cdf(k, n, got.high) == pytest.approx(tail if k < n else 1.0, abs=1e-9)
    assert (got.low == 0.0) == (k == 0)
    assert (got.high == 1.0) == (k == n)


def test_shares_are_asked_at_95_percent():
    assert p.wilson(3, 10) == p.wilson(3, 10, 0.95)
    assert p.clopper_pearson(3, 10) == p.clopper_pearson(3, 10, 0.95)


@pytest.mark.parametrize("counts", [(1, 0, 0, 0), (0, 0, 0, 1), (0, 1, 0, 0), (20, 3, 9, 8), (0, 30, 1, 0)])
@pytest.mark.parametrize("alpha", [0.025, 0.2])
def test_bonett_price_adds_one_case_to_each_side(counts, alpha):
    n, n10, n01 = sum(counts), counts[1], counts[2]
    up, down, z = (n10 + 1) / (n + 2), (n01 + 1) / (n + 2), normal_quantile(1 - alpha)
    half = z * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    got = p.paired_difference(*counts, alpha)
    assert got.low == pytest.approx(max(-1.0, up - down - half))
    assert got.high == pytest.approx(min(1.0, up - down + half))
    assert got.estimate == (n10 - n01) / n
    assert p.paired_difference(*counts) == p.paired_difference(*counts, 0.05)


def test_tango_without_a_discordant_pair_is_in_closed_form():
    # the score is -sqrt(n d / (1 - d)): it meets z at d = z^2 / (n + z^2)
    for n, alpha in ((1, 0.05), (20, 0.05), (20, 0.01)):
        z = normal_quantile(1 - alpha)
        got = p.tango(n - 1, 0, 0, 1, alpha)
        assert (got.low, got.high, got.estimate) == pytest.approx((-z * z / (n + z * z), z * z / (n + z * z), 0.0))


def test_tango_of_nothing_but_gains_is_in_closed_form():
    # the score is sqrt(n (1 - d) / (1 + d)): it meets z at d = (n - z^2) / (n + z^2)
    z = normal_quantile(0.95)
    got = p.tango(0, 9, 0, 0)
    assert (got.low, got.high, got.estimate) == (pytest.approx((9 - z * z) / (9 + z * z)), 1.0, 1.0)
    lost = p.tango(0, 0, 9, 0)
    assert (lost.low, lost.high, lost.estimate) == (-1.0, pytest.approx(-got.low), -1.0)


def test_tango_counts_pairs_not_their_kind_of_agreement():
    assert p.tango(20, 3, 9, 8) == p.tango(8, 3, 9, 20)
    assert p.tango(20, 3, 9, 8) != p.tango(20, 3, 9, 18)
    assert p.tango(20, 3, 9, 8).estimate == -6 / 40
    assert p.tango(20, 3, 9, 8) == p.tango(20, 3, 9, 8, 0.05)


def test_the_score_near_no_difference_is_in_closed_form():
    assert p._tango_score(1, 0, 0, 0.2) == pytest.approx(-math.sqrt(0.2 / 0.8))
    assert p._tango_score(1, 0, 0, -0.2) == pytest.approx(math.sqrt(0.2 / 0.8))


def test_the_score_at_the_ends_is_beyond_any_quantile_unless_the_data_lie_there():
    assert p._tango_score(5, 5, 0, 1.0) == 0.0
    assert p._tango_score(5, 0, 5, -1.0) == 0.0
    assert p._tango_score(5, 4, 0, 1.0) == -math.inf
    assert p._tango_score(5, 0, 4, -1.0) == math.inf


def test_a_guarded_mean_by_hand():
    # 0.5, 0, -0.25 and the two guards -1, 1: mean 0.05; squares 0.2025, 0.0025, 0.09, 1.1025, 0.9025
    for alpha in (0.05, 0.2):
        half = t_quantile(1 - alpha, 4) * math.sqrt(2.3 / 4 / 5)
        got = p.guarded_mean([0.5, 0.0, -0.25], alpha)
        assert got.estimate == pytest.approx(0.25 / 3)
        assert (got.low, got.high) == pytest.approx((0.05 - half, 0.05 + half))
    assert p.guarded_mean([0.5, 0.0, -0.25]) == p.guarded_mean([0.5, 0.0, -0.25], 0.05)


def test_two_units_are_enough_and_one_is_not():
    one = p.guarded_mean([0.5])
    assert (one.low, one.high, one.estimate) == (-1.0, 1.0, 0.5)
    two = p.guarded_mean([0.01, 0.03])
    assert two.low == -1.0 or two.low > -1.0
    assert two.estimate == pytest.approx(0.02)


def test_no_differences_at_all_have_no_estimate():
    got = p.guarded_mean([])
    assert (got.low, got.high) == (-1.0, 1.0)
    assert math.isnan(got.estimate)


def test_a_guarded_mean_never_leaves_minus_one_to_one():
    gain, loss = p.guarded_mean([1.0, 1.0, 0.9]), p.guarded_mean([-1.0, -1.0, -0.9])
    assert gain.high == 1.0
    assert gain.low > -1.0
    assert (loss.low, loss.high) == (-1.0, pytest.approx(-gain.low))


def test_the_exact_bounds_without_a_discordant_pair_are_in_closed_form():
    # P(Bin(n, m) <= 0) = (1 - m)^n meets 0.95 alpha at m = 1 - (0.95 alpha)^(1/n)
    for n, alpha in ((1, 0.05), (59, 0.05), (150, 0.01)):
        got = p.exact_difference(n, 0, 0, alpha)
        assert got.low == pytest.approx(-(1 - (0.95 * alpha) ** (1 / n)), abs=1e-9)
        assert got.high == -got.low
    assert p.exact_difference(9, 0, 9).low == -1.0
    assert p.exact_difference(60, 2, 3) == p.exact_difference(60, 2, 3, 0.05)


@pytest.mark.parametrize("margin", [0.011, 0.03, 0.05, 0.1, 0.3, 0.5, 0.76, 0.78, 0.95])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_no_fewer_pairs_show_the_margin(margin, alpha):
    n = p.least_cases(margin, alpha)
    assert n >= 1
    assert p.shows_margin(n, 0, 0, margin, alpha)
    assert n == 1 or not p.shows_margin(n - 1, 0, 0, margin, alpha)
    assert (1 - margin) ** n <= 0.95 * alpha
    if alpha == 0.05:
        assert p.least_cases(margin) == n


def test_power_is_a_chance_and_grows_with_pairs_and_margin():
    powers = [p.power_noninferiority(n, 0.1, 0.1) for n in (1, 20, 60, 200)]
    assert powers[0] == 0.0
    assert powers == sorted(powers)
    assert p.power_noninferiority(60, 0.1, 0.2) > powers[2]
    assert p.power_noninferiority(60, 0.3, 0.1) < powers[2]
    assert p.power_noninferiority(60, 0.1, 0.1, 0.2) > powers[2]
    assert p.power_noninferiority(60, 0.1, 0.1, 0.05) == powers[2]
    # of pairs that never differ, the power is all or nothing
    assert [p.power_noninferiority(n, 0.0, 0.05) for n in (59, 60)] == [0.0, 1.0]
    assert p.power_noninferiority(p.least_cases(0.9), 0.0, 0.9) == 1.0
    for n in (17, 90):
        for discordant in (0.02, 0.3, 0.9):
            assert 0.999 < p.power_noninferiority(n, discordant, 0.999) <= 1.0


@pytest.mark.parametrize("discordant", [0.0, 0.02, 0.1, 0.4])
@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.1, 0.9)])
def test_the_planned_number_has_its_power_and_hardly_more(discordant, alpha, power):
    n = p.n_noninferiority(discordant, 0.2, alpha, power)
    assert p.power_noninferiority(n, discordant, 0.2, alpha) >= power
    z = normal_quantile(1 - alpha) + normal_quantile(power)
    least = max(p.least_cases(0.2, alpha), math.ceil(z * z * discordant / 0.04))
    assert n >= least
    assert n == least or p.power_noninferiority(n - max(1, n // 50), discordant, 0.2, alpha) < power
    if (alpha, power) == (0.05, 0.8):
        assert p.n_noninferiority(discordant, 0.2) == n


def test_a_plan_beyond_all_means_ends_at_the_approximation():
    z = normal_quantile(0.95) + normal_quantile(0.8)
    assert p.n_noninferiority(0.5, 0.003) == math.ceil(z * z * 0.5 / 0.003**2)
