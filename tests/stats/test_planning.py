"""Planned numbers against the normal approximation by hand."""

from __future__ import annotations

import math

import pytest

from evalkit.stats import planning
from evalkit.stats.distributions import normal_quantile, t_quantile


@pytest.mark.parametrize("n", [2, 3, 40, 999])
def test_the_smallest_ratio_shown_by_hand(n):
    for sd, confidence, power in ((0.18, 0.95, 0.8), (0.3, 0.9, 0.5)):
        t = t_quantile(0.5 + confidence / 2, n - 1) + normal_quantile(power)
        got = planning.detectable_ratio(n, sd, confidence, power)
        assert math.log(got) == pytest.approx(t * sd / math.sqrt(n))
    assert planning.detectable_ratio(n) == planning.detectable_ratio(n, planning.TYPICAL_SD, 0.95, 0.8)


def test_many_prompts_are_normal():
    z = normal_quantile(0.975) + normal_quantile(0.8)
    assert math.log(planning.detectable_ratio(1000, 0.2)) == pytest.approx(z * 0.2 / math.sqrt(1000), rel=1e-12)
    assert [planning.detectable_ratio(n) for n in (-1, 0, 1)] == [math.inf] * 3


@pytest.mark.parametrize(("ratio", "target"), [(1.1, 1.0), (1.0, 1.1), (1.9, 2.0), (1.52, 1.5)])
@pytest.mark.parametrize(("sd", "confidence", "power"), [(0.18, 0.95, 0.8), (0.3, 0.9, 0.9)])
def test_the_prompts_needed_show_the_gap_and_fewer_do_not(ratio, target, sd, confidence, power):
    n = planning.prompts_needed(ratio, target, sd, confidence, power)
    gap = max(ratio / target, target / ratio)
    assert n > 20
    assert planning.detectable_ratio(n, sd, confidence, power) <= gap
    assert planning.detectable_ratio(n - 1, sd, confidence, power) > gap
    if power == 0.8:
        assert planning.prompts_needed(ratio, target, sd) == n


def test_at_least_twenty_prompts_and_none_for_what_cannot_be_settled():
    assert planning.prompts_needed(4.0, 1.0, 0.1) == 20
    assert planning.prompts_needed(4.0, 1.0, 0.0) == 20
    # a gap of 0.003 standard deviations is where a million prompts stand three errors away
    assert planning.prompts_needed(math.exp(0.00299), 1.0, 1.0) is None
    assert planning.prompts_needed(math.exp(-0.00301), 1.0, 1.0) > 500_000
    assert planning.prompts_needed(1.5, 1.5, 0.0) is None
