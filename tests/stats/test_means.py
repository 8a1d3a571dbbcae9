"""Means and quotients of amounts: against values by hand, and how often their intervals hold the truth."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.distributions import t_quantile
from evalkit.stats.means import Amount, mean_of, quotient, quotient_of_means, within

amounts = st.dictionaries(st.text(max_size=3), st.floats(0.01, 1e4), min_size=1, max_size=30)


def test_a_mean_by_hand():
    got = mean_of({"a": 1.0, "b": 2.0, "c": 6.0}, {}, 0.95)
    # relative residuals -2/3, -1/3, 1; squares add to 14/9; standard error sqrt(3/2 * 14/9) / 3
    half = t_quantile(0.975, 2) * math.sqrt(1.5 * 14 / 9) / 3
    assert (got.value, got.down, got.up) == (3.0, pytest.approx(half), pytest.approx(half))
    assert got.high == pytest.approx(3 * math.exp(half))


def test_what_goes_together_is_one_unit():
    apart = mean_of({"a": 1.0, "b": 1.0, "c": 5.0, "d": 5.0}, {}, 0.95)
    together = mean_of({"a": 1.0, "b": 1.0, "c": 5.0, "d": 5.0}, {"a": 0, "b": 0, "c": 1, "d": 1}, 0.95)
    assert together.value == apart.value == 3.0
    # units -4/3 and 4/3: standard error sqrt(2 * 32/9) / 4 with one degree of freedom
    assert together.down == pytest.approx(t_quantile(0.975, 1) * math.sqrt(2 * 32 / 9) / 4)
    assert together.down > 3 * apart.down


def test_one_value_is_no_interval_and_none_is_no_mean():
    alone = mean_of({"a": 2.0}, {}, 0.95)
    assert (alone.low, alone.value, alone.high) == (0.0, 2.0, None)
    assert mean_of({}, {}, 0.95) is None
    assert quotient_of_means({"a": 1.0}, {"b": 1.0}, {}, 0.95) is None
    assert quotient_of_means({"a": 1.0, "b": 1.0}, {"a": 0.0, "b": 0.0}, {}, 0.95) is None


def test_a_quotient_adds_the_sides_that_push_it_the_same_way():
    got = quotient(within(8.0, 4.0, 16.0), within(2.0, 1.0, 16.0))
    assert got.value == 4.0
    assert got.low == pytest.approx(4.0 * math.exp(-math.hypot(math.log(2), math.log(8))))
    assert got.high == pytest.approx(4.0 * math.exp(math.hypot(math.log(2), math.log(2))))
    assert quotient(Amount(8.0), within(2.0, 1.0, 4.0)).low == pytest.approx(2.0)
    assert (quotient(Amount(8.0), Amount(2.0)).low, quotient(Amount(8.0), Amount(2.0)).high) == (None, None)
    assert quotient(Amount(8.0), within(0.5, 0.0, 1.0)).high is None  # a share that may be nothing


def test_paired_amounts_cancel_what_they_share():
    base = {f"p{i}": float(10 * 2**i) for i in range(8)}
    got = quotient_of_means(base, {name: value / 2 for name, value in base.items()}, {}, 0.95)
    assert got.value == pytest.approx(2.0)
    assert got.down == pytest.approx(0.0, abs=1e-9)


@given(amounts, st.floats(1e-3, 1e3))
def test_an_interval_holds_its_mean_and_scales_with_it(values, factor):
    one = mean_of(values, {}, 0.95)
    other = mean_of({name: value * factor for name, value in values.items()}, {}, 0.95)
    assert one.low <= one.value * (1 + 1e-12)
    assert one.high is None or one.high >= one.value * (1 - 1e-12)
    assert other.value == pytest.approx(one.value * factor)
    assert other.down == pytest.approx(one.down, abs=1e-9)


@pytest.mark.parametrize(("n", "sd"), [(20, 0.3), (40, 0.8)])
def test_the_interval_of_a_mean_of_skewed_amounts_covers_about_what_it_says(n, sd):
    rng, held, worlds = random.Random(7), 0, 600
    truth = math.exp(sd * sd / 2)
    for _ in range(worlds):
        got = mean_of({str(i): math.exp(rng.gauss(0, sd)) for i in range(n)}, {}, 0.95)
        held += got.low <= truth <= got.high
    assert 0.91 <= held / worlds <= 0.99
