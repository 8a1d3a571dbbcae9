"""Looks against the chance of crossing a bound, integrated another way."""

from __future__ import annotations

import math

import pytest

from evalkit.stats import sequential
from evalkit.stats.distributions import normal_cdf, t_quantile


def _stays_within(first, last, shares):
    """Chance that a Brownian path stays within both bounds: Simpson's rule over the first, exact in the second."""
    edge, n = first, 2000

    def at(z):
        rest = math.sqrt(shares[1] - shares[0])
        ends = [(side * last * math.sqrt(shares[1]) - z * math.sqrt(shares[0])) / rest for side in (-1, 1)]
        return math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * (normal_cdf(ends[1]) - normal_cdf(ends[0]))

    weights = [1, *([4, 2] * (n // 2 - 1)), 4, 1]
    return sum(w * at(-edge + 2 * edge * i / n) for i, w in enumerate(weights)) * 2 * edge / n / 3


@pytest.mark.parametrize("shares", [(0.5, 1.0), (0.2, 1.0), (0.8, 1.0)])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_two_looks_cross_with_the_chance_that_was_asked(shares, alpha):
    first, last = sequential.obrien_fleming(shares, alpha)
    assert first * math.sqrt(shares[0]) == pytest.approx(last * math.sqrt(shares[1]))
    assert 1 - _stays_within(first, last, shares) == pytest.approx(alpha, rel=2e-3)


def test_one_look_is_the_plain_quantile():
    assert sequential.obrien_fleming((1.0,), 0.05) == (pytest.approx(1.959964, abs=1e-6),)
    assert sequential.obrien_fleming((0.25,), 0.1) == (pytest.approx(2 * 1.644854, abs=1e-5),)


@pytest.mark.parametrize(
    "shares", [(), (0.0,), (0.0, 1.0), (-0.1, 1.0), (0.5, 0.5), (0.7, 0.5, 1.0), (0.5, 1.0, 1.1), (1.01,)]
)
def test_looks_that_do_not_rise_within_the_evidence_are_refused(shares):
    with pytest.raises(ValueError, match="shares must rise"):
        sequential.obrien_fleming(shares, 0.05)


def test_the_confidence_of_a_bound_is_that_of_its_quantile():
    assert sequential.confidence_of(1.959964) == pytest.approx(0.95, abs=1e-6)
    assert sequential.confidence_of(0.0) == pytest.approx(0.0)
    # beyond what a float can tell from one, an interval can still be asked for
    assert sequential.confidence_of(40.0) == pytest.approx(1.0, abs=1e-8)
    assert t_quantile(0.5 + sequential.confidence_of(40.0) / 2, 50) > 6


def test_looks_go_in_equal_steps_from_the_first_to_all():
    assert sequential.look_sizes(79) == (79,)
    assert sequential.look_sizes(80) == (40, 53, 67, 80)
    assert sequential.look_sizes(100, first=10, looks=2) == (10, 100)
    assert sequential.look_sizes(100, first=10, looks=3) == (10, 55, 100)
    assert sequential.look_sizes(4, first=2, looks=6) == (2, 3, 4)
    assert sequential.look_sizes(2, first=2, looks=2) == (2,)
