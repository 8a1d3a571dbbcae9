"""Shares and paired differences, against published values and brute force."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats import proportions as p
from evalkit.stats.distributions import binomial_cdf, binomial_pmf, normal_quantile

counts = st.tuples(*[st.integers(0, 60)] * 4).filter(lambda c: sum(c) > 0)


def test_wilson_and_clopper_pearson_match_published_values():
    # 15 of 148, Newcombe 1998 (Stat. Med. 17:857), table I
    got = p.wilson(15, 148)
    assert (round(got.low, 4), round(got.high, 4)) == (0.0624, 0.1605)
    got = p.clopper_pearson(15, 148)
    assert (round(got.low, 4), round(got.high, 4)) == (0.0578, 0.1617)
    got = p.clopper_pearson(0, 20)
    assert (got.low, round(got.high, 4)) == (0.0, 0.1684)


def test_no_case_says_nothing():
    assert (p.wilson(0, 0).low, p.wilson(0, 0).high) == (0.0, 1.0)
    assert (p.paired_difference(0, 0, 0, 0).low, p.paired_difference(0, 0, 0, 0).high) == (-1.0, 1.0)
    assert p.guarded_mean([]).low == -1.0
    assert p.guarded_mean([0.0]).low == -1.0
    assert p.guarded_difference(0, 0, 0).low == -1.0


@given(st.integers(1, 30), st.floats(0.01, 0.99))
def test_clopper_pearson_covers_at_least_what_it_says(n, share):
    covered = sum(binomial_pmf(k, n, share) for k in range(n + 1) if p.clopper_pearson(k, n).contains(share))
    assert covered >= 0.95 - 1e-9


def test_minimum_n_without_a_discordant_pair():
    assert [p.least_cases(m) for m in (0.10, 0.05, 0.03, 0.02)] == [30, 60, 101, 151]


@pytest.mark.parametrize(("n", "n10", "n01", "delta"), [(44, 0, 1, 0.05), (30, 6, 2, -0.1), (50, 3, 9, 0.2)])
def test_tango_score_uses_the_constrained_likelihood_maximum(n, n10, n01, delta):
    grid = [i / 200_000 for i in range(1, 200_000)]
    inside = [q for q in grid if q + delta > 0 and 2 * q + delta < 1]

    def likelihood(q):
        return n10 * math.log(q + delta) + n01 * math.log(q) + (n - n10 - n01) * math.log(1 - 2 * q - delta)

    best = max(inside, key=likelihood)
    expected = (n10 - n01 - n * delta) / math.sqrt(n * (2 * best + delta * (1 - delta)))
    assert p._tango_score(n, n10, n01, delta) == pytest.approx(expected, rel=1e-3)


def test_tango_bounds_are_where_the_score_meets_the_quantile():
    got = p.tango(43, 0, 1, 0, alpha=0.025)
    assert p._tango_score(44, 0, 1, got.low) == pytest.approx(normal_quantile(0.975), abs=1e-6)
    assert p._tango_score(44, 0, 1, got.high) == pytest.approx(-normal_quantile(0.975), abs=1e-6)


@given(counts)
def test_difference_contains_its_estimate_and_mirrors(c):
    n11, n10, n01, n00 = c
    for method in (p.paired_difference, p.tango):
        one, other = method(n11, n10, n01, n00), method(n11, n01, n10, n00)
        assert one.low == pytest.approx(-other.high, abs=1e-9)
        assert -1 <= one.low <= one.high <= 1
        assert method(n11, n10, n01 + 1, n00).low <= one.low + 1e-9


@given(counts.filter(lambda c: sum(c) >= 40))
def test_bonett_price_stays_near_tango(c):
    one, other = p.paired_difference(*c), p.tango(*c)
    assert one.low == pytest.approx(other.low, abs=0.04)
    assert one.high == pytest.approx(other.high, abs=0.04)


@pytest.mark.parametrize(("n", "q10", "q01"), [(60, 0.02, 0.05), (100, 0.05, 0.1), (80, 0.05, 0.10)])
def test_a_true_loss_of_the_margin_rarely_passes(n, q10, q01):
    """At a true loss equal to the margin, non-inferiority is claimed in at most about 5% of samples."""
    margin, wrong = q01 - q10, 0.0
    for a in range(n + 1):
        pa = binomial_pmf(a, n, q10)
        if pa < 1e-12:
            continue
        for b in range(n - a + 1):
            if p.paired_difference(n - a - b, a, b, 0).low > -margin:
                wrong += pa * binomial_pmf(b, n - a, q01 / (1 - q10))
    assert wrong <= 0.06


@given(st.integers(1, 8), st.sampled_from([0.05, 0.2, 0.5]), st.sampled_from([0.3, 0.5, 0.8]))
def test_power_is_exact_against_enumeration(n, discordant, margin):
    total = 0.0
    for pairs in itertools.product((1, -1, 0), repeat=n):
        up, down = pairs.count(1), pairs.count(-1)
        chance = (discordant / 2) ** (up + down) * (1 - discordant) ** (n - up - down)
        if p.shows_margin(n, up, down, margin):
            total += chance
    assert p.power_noninferiority(n, discordant, margin) == pytest.approx(total, abs=1e-9)


@given(st.integers(1, 120), st.data(), st.sampled_from([0.02, 0.05, 0.1, 0.3]), st.sampled_from([0.05, 0.025]))
def test_each_of_the_three_bounds_must_show_the_margin(n, data, margin, alpha):
    n10 = data.draw(st.integers(0, n))
    n01 = data.draw(st.integers(0, n - n10))
    got = p.guarded_difference(n, n10, n01, alpha)
    parts = [
        p.paired_difference(n - n10 - n01, n10, n01, 0, alpha),
        p.tango(n - n10 - n01, n10, n01, 0, alpha),
        p.exact_difference(n, n10, n01, alpha),
    ]
    assert got.low == min(one.low for one in parts)
    assert got.high == max(one.high for one in parts)
    if abs(got.low + margin) > 1e-6:
        assert p.shows_margin(n, n10, n01, margin, alpha) == (n >= p.least_cases(margin, alpha) and got.low > -margin)


def test_the_exact_bound_is_where_the_binomial_chance_meets_its_level():
    got = p.exact_difference(100, 3, 5)
    assert binomial_cdf(5, 100, 0.03 - got.low) == pytest.approx(0.0475, abs=1e-6)
    assert got.low == -p.exact_difference(100, 5, 3).high


@pytest.mark.parametrize(("n", "discordant", "margin"), [(124, 0.05, 0.05), (248, 0.10, 0.05), (344, 0.05, 0.03)])
def test_planned_n_has_its_power_and_lies_near_the_normal_approximation(n, discordant, margin):
    planned = p.n_noninferiority(discordant, margin)
    assert n <= planned <= 1.4 * n
    assert p.power_noninferiority(planned, discordant, margin) >= 0.8


def test_units_of_equal_weight_agree_with_a_plain_t_interval_over_two_units_more():
    diffs = [1.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.0] * 5
    got = p.guarded_mean(diffs)
    more = [*diffs, -1.0, 1.0]
    mean = sum(more) / 42
    sd = math.sqrt(sum((d - mean) ** 2 for d in more) / 41)
    assert (got.high - got.low) / 2 == pytest.approx(1.6829 * sd / math.sqrt(42), rel=1e-3)
    assert got.estimate == sum(diffs) / 40


def test_equal_differences_do_not_give_a_point():
    assert p.guarded_mean([0.0] * 20).low < -0.05
