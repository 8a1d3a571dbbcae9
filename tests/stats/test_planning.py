"""Planned numbers against the normal approximation by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from evalkit.stats import planning
from evalkit.stats.distributions import normal_quantile, t_quantile
from evalkit.stats.planning import Sought

PLAIN = Sought(at_least=1.0)


@pytest.mark.parametrize("n", [2, 3, 40, 999])
def test_the_smallest_ratio_shown_by_hand(n):
    for sd, confidence, power in ((0.18, 0.95, 0.8), (0.3, 0.9, 0.5)):
        t = t_quantile(0.5 + confidence / 2, n - 1) + normal_quantile(power)
        got = planning.detectable_ratio(n, Sought(1.0, sd=sd, confidence=confidence, power=power))
        assert math.log(got) == pytest.approx(t * sd / math.sqrt(n))


def test_many_prompts_are_normal():
    z = normal_quantile(0.975) + normal_quantile(0.8)
    got = planning.detectable_ratio(1000, replace(PLAIN, sd=0.2))
    assert math.log(got) == pytest.approx(z * 0.2 / math.sqrt(1000), rel=1e-9)
    assert [planning.detectable_ratio(n, PLAIN) for n in (-1, 0, 1)] == [math.inf] * 3


def test_what_is_not_sampled_asks_for_a_larger_gain():
    start = planning.start_term(0.03)
    assert start == pytest.approx(normal_quantile(0.975) * 0.03 * math.sqrt(2))
    plain, starts = (planning.detectable_ratio(100_000, replace(PLAIN, start=s)) for s in (0.0, start))
    assert math.log(starts) == pytest.approx(start, abs=0.002)
    assert plain < 1.01
    few = planning.detectable_ratio(30, replace(PLAIN, sd=0.01, rare=3.0))
    # 3 of 30 prompts at half the speed: g - 0.1 (g + log 2) = 0
    assert math.log(few) == pytest.approx(0.1 * math.log(2) / 0.9, abs=0.005)


def test_prompts_at_half_the_speed_of_which_too_many_are_unseen_hide_any_gain():
    assert planning.detectable_ratio(3, replace(PLAIN, rare=3.7)) == math.inf


@pytest.mark.parametrize(("ratio", "target"), [(1.1, 1.0), (1.0, 1.1), (1.9, 2.0), (1.52, 1.5)])
@pytest.mark.parametrize(("sd", "confidence", "power"), [(0.18, 0.95, 0.8), (0.3, 0.9, 0.9)])
def test_the_prompts_needed_show_the_gap_and_fewer_do_not(ratio, target, sd, confidence, power):
    asked = Sought(at_least=target, ratio=ratio, sd=sd, confidence=confidence, power=power)
    n = planning.prompts_needed(asked)
    gap = max(ratio / target, target / ratio)
    assert n > 20
    assert planning.detectable_ratio(n, asked) <= gap
    assert planning.detectable_ratio(n - 1, asked) > gap


def test_an_estimate_from_few_prompts_looks_nearer_to_the_threshold():
    asked = Sought(at_least=1.0, ratio=1.1, sd=0.18)
    assert planning.prompts_needed(replace(asked, known=24)) > planning.prompts_needed(asked)
    assert planning.prompts_needed(replace(asked, looks=True)) > planning.prompts_needed(asked)
    assert planning.prompts_needed(replace(asked, confidence=0.975)) > planning.prompts_needed(asked)


def test_no_number_of_prompts_settles_what_lies_within_the_spread_of_starts():
    asked = Sought(at_least=1.5, ratio=1.55, sd=0.1, start=planning.start_term(0.03))
    assert planning.prompts_needed(asked) is None
    assert planning.prompts_needed(replace(asked, start=0.0)) > 20


def test_at_least_twenty_prompts_and_none_for_what_cannot_be_settled():
    def needed(ratio, target, sd):
        return planning.prompts_needed(Sought(at_least=target, ratio=ratio, sd=sd))

    assert needed(4.0, 1.0, 0.1) == 20
    assert needed(4.0, 1.0, 0.0) == 20
    # about three errors from the threshold at a million prompts
    assert needed(math.exp(0.00279), 1.0, 1.0) is None
    assert needed(math.exp(-0.00301), 1.0, 1.0) > 500_000
    assert needed(1.5, 1.5, 0.0) is None
