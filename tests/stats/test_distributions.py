"""Quantiles and tails against printed tables and against the standard library."""

from __future__ import annotations

import math

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
