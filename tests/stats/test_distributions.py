"""Quantiles and tails against printed tables and against the standard library."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats import distributions as d


@pytest.mark.parametrize(
    ("p", "df", "t"),
    [
        (0.975, 1, 12.7062),
        (0.975, 5, 2.5706),
        (0.95, 10, 1.8125),
        (0.975, 19, 2.0930),
        (0.995, 30, 2.7500),
        (0.975, 1e6, 1.95996),
    ],
)
def test_t_quantile_matches_the_table(p, df, t):
    assert d.t_quantile(p, df) == pytest.approx(t, rel=3e-5)
    assert d.t_quantile(1 - p, df) == pytest.approx(-t, rel=3e-5)


@given(st.floats(0.001, 0.999), st.integers(1, 400))
def test_t_quantile_and_cdf_undo_each_other(p, df):
    assert d.t_cdf(d.t_quantile(p, df), df) == pytest.approx(p, abs=1e-9)


@given(st.integers(0, 8), st.integers(1, 8), st.floats(0.0, 1.0))
def test_binomial_against_the_sum(k, n, p):
    exact = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(min(k, n) + 1))
    assert d.binomial_cdf(k, n, p) == pytest.approx(exact, abs=1e-9)


def test_quantiles_refuse_nonsense():
    with pytest.raises(ValueError, match="between 0 and 1"):
        d.t_quantile(1.0, 5)


@pytest.mark.parametrize("x", [1e-9, 1e-4, 0.03, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("shape", [0.5, 1, 3, 40, 500])
def test_beta_with_a_shape_of_one_is_a_power_in_the_far_tails_as_well(shape, x):
    assert d.beta_cdf(x, shape, 1) == pytest.approx(x**shape, rel=1e-10, abs=1e-300)
    assert d.beta_cdf(x, 1, shape) == pytest.approx(-math.expm1(shape * math.log1p(-x)), rel=1e-6)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (3, 9), (59, 60), (250, 1000)])
@pytest.mark.parametrize("p", [0.001, 0.2, 0.7])
def test_binomial_chances_are_those_counted(k, n, p):
    counted = math.comb(n, k) * Fraction(p) ** k * (1 - Fraction(p)) ** (n - k)
    assert d.binomial_pmf(k, n, p) == pytest.approx(float(counted), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("p", [0.0005, 0.3, 0.9, 0.9999])
def test_a_beta_quantile_is_found_to_the_last_digits(p):
    for shape in (1, 3, 40):
        assert d.beta_quantile(p, shape, 1) == pytest.approx(p ** (1 / shape), abs=3e-15)


@pytest.mark.parametrize("t", [-1e6, -3.0, -0.5, 0.5, 1.5, 7.0, 1e6])
def test_t_with_two_degrees_of_freedom_is_in_closed_form(t):
    share = 0.5 + t / (2 * math.sqrt(2 + t * t))
    assert d.t_cdf(t, 2) == pytest.approx(share, abs=1e-12)
    if 0.001 < share < 0.999:
        assert d.t_quantile(share, 2) == pytest.approx(t, rel=1e-11)
