"""The test of non-inferiority as the quality item uses it: its errors over a grid, its power, and brute force."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest

from evalkit.analysis.pairs import Pair, Table
from evalkit.quality.facts import SuiteFacts
from evalkit.stats.distributions import binomial_pmf
from evalkit.stats.proportions import guarded_difference, guarded_mean, least_cases, power_noninferiority, shows_margin

MARGINS = (0.10, 0.05, 0.03, 0.02)
DISCORDANT = (0.02, 0.05, 0.10, 0.20)
SIZES = (30, 50, 100, 200, 400, 800)
#: a true loss of the margin, with gains beside the losses
GRID = [(m, d, n) for m in MARGINS for d in DISCORDANT for n in SIZES if d > m]
#: every differing case is a loss: the approximation's edge, docs/decisions/0010
EDGE = [(m, m, n) for m in MARGINS for n in SIZES]
SUITE = SuiteFacts(name="s", kind="chat", path="p", sha256="0", cases=1)


def table(pairs, alpha=0.05):
    """A suite's table from (mode, baseline) passes."""
    rows = tuple(Pair(str(i), f"\x00{i}", "normal", float(a), float(b), None, None) for i, (a, b) in enumerate(pairs))
    return Table(SUITE, "diffusion", "autoregressive", len(rows), rows, 1.0, alpha)


def shown(n, n10, n01, margin):
    return shows_margin(n, n10, n01, margin)


def type_one(margin, discordant, n):
    """Exact chance that a mode whose true loss is the margin is let through: over all tables that matter."""
    up = (discordant - margin) / 2
    chance = 0.0
    for n10 in range(n + 1):
        first = binomial_pmf(n10, n, up)
        if first < 1e-9:
            continue
        for n01 in range(n - n10 + 1):
            if shown(n, n10, n01, margin):
                chance += first * binomial_pmf(n01, n - n10, (discordant - up) / (1 - up))
            elif n10 or n01:
                break  # more losses never help
    return chance


@pytest.mark.slow
def test_a_mode_that_loses_the_margin_is_let_through_in_at_most_five_of_a_hundred_over_the_whole_grid():
    rates = {cell: type_one(*cell) for cell in GRID + EDGE}
    worst = max(rates, key=rates.get)
    print(f"type-I error over {len(rates)} cells: worst {rates[worst]:.4f} at margin, discordance, n = {worst}")
    assert rates[worst] <= 0.051  # Bonett and Price's and Tango's are approximations
    assert sum(rate > 0.001 for rate in rates.values()) > 20  # the grid is no row of zeros


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("extra", [0, 1, 7])
def test_right_above_the_fewest_cases_losses_alone_do_not_pass_more_often(margin, extra):
    n = least_cases(margin) + extra
    assert 0 < type_one(margin, margin, n) <= 0.05


@pytest.mark.slow
def test_simulated_suites_agree_with_the_exact_error():
    rng = random.Random(7)
    for margin, discordant, n in ((0.10, 0.20, 100), (0.05, 0.10, 200), (0.03, 0.05, 400)):
        up, trials = (discordant - margin) / 2, 3000
        passed = 0
        for _ in range(trials):
            draws = [rng.random() for _ in range(n)]
            n10, n01 = sum(x < up for x in draws), sum(up <= x < discordant for x in draws)
            passed += shown(n, n10, n01, margin)
        assert passed / trials == pytest.approx(type_one(margin, discordant, n), abs=0.012)
        assert passed / trials <= 0.06  # three standard errors above 5%


#: summed by this test's own loops over all tables: chance that an equally good mode is shown non-inferior
TABULATED = {
    (0.10, 0.05): (30, 50, 100),
    (0.05, 0.05): (60, 100, 200),
    (0.03, 0.02): (101, 200, 300),
    (0.02, 0.02): (151, 300),
}


@pytest.mark.parametrize(("margin", "discordant"), sorted(TABULATED))
def test_power_is_the_sum_over_all_tables(margin, discordant):
    for n in TABULATED[margin, discordant]:
        total = 0.0
        for n10 in range(n + 1):
            first = binomial_pmf(n10, n, discordant / 2)
            for n01 in range(n - n10 + 1) if first > 1e-10 else ():
                chance = first * binomial_pmf(n01, n - n10, discordant / 2 / (1 - discordant / 2))
                total += chance * (chance > 1e-13 and shown(n, n10, n01, margin))
        assert power_noninferiority(n, discordant, margin) == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize("n", range(1, 9))
def test_every_small_suite_is_decided_as_its_counts_say(n):
    """All 4^n assignments of passes: the item's table, its counts and its interval, against counting by hand."""
    cells = ((1, 1), (1, 0), (0, 1), (0, 0))
    tables = (
        Counter(pairs) for pairs in itertools.combinations_with_replacement(cells, n)
    )  # the order of cases does not matter: shown below
    seen = 0
    for counts in tables:
        pairs = list(counts.elements())
        data = table(pairs)
        n11, n10, n01, n00 = (counts[cell] for cell in cells)
        assert data.counts() == (n11, n10, n01, n00)
        interval = data.interval()
        assert interval.estimate == pytest.approx((n10 - n01) / n)
        assert (interval.low, interval.high) == pytest.approx(
            (guarded_difference(n, n10, n01).low, guarded_difference(n, n10, n01).high)
        )
        again = table(pairs[::-1]).interval()
        assert (again.low, again.high) == pytest.approx((interval.low, interval.high))
        seen += 1
    assert seen == len(list(itertools.combinations_with_replacement(cells, n)))


@pytest.mark.parametrize("n", range(1, 9))
@pytest.mark.parametrize(("margin", "discordant"), [(0.3, 0.5), (0.5, 0.8)])
def test_the_exact_error_agrees_with_all_possible_suites_written_out(n, margin, discordant):
    up = (discordant - margin) / 2
    chances = {(1, 0): up, (0, 1): discordant - up, (1, 1): 1 - discordant}
    total = 0.0
    for pairs in itertools.product(chances, repeat=n):
        if table(pairs).shows(margin):
            total += math.prod(chances[pair] for pair in pairs)
    assert type_one(margin, discordant, n) == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("margin", MARGINS)
def test_the_fewest_cases_that_can_pass_are_those_of_the_table(margin):
    least = least_cases(margin)
    assert least == {0.10: 30, 0.05: 60, 0.03: 101, 0.02: 151}[margin]
    assert table([(1, 1)] * least).shows(margin)
    assert not table([(1, 1)] * (least - 1)).shows(margin)
    assert not table([(1, 1)] * (least - 1) + [(0, 1)]).shows(margin)


@pytest.mark.parametrize("modes", [2, 3, 6])
@pytest.mark.parametrize("margin", MARGINS)
def test_several_modes_need_more_cases_and_pass_wrongly_no_more_often_together(modes, margin):
    alpha = 0.05 / modes
    least = least_cases(margin, alpha)
    assert least > least_cases(margin)
    assert (1 - margin) ** least <= 0.0475 / modes
    assert table([(1, 1)] * least, alpha).shows(margin)
    for n in (least, least + 10):
        worst = max(b for b in range(n) if b == 0 or shows_margin(n, 0, b, margin, alpha))
        wrong = sum(binomial_pmf(b, n, margin) for b in range(worst + 1))
        assert 1 - (1 - wrong) ** modes <= 0.05


def clustered(outcomes, alpha=0.05):
    """A table from (cluster, mode, baseline) of each case."""
    rows = [Pair(str(i), c, "normal", float(a), float(b), None, None) for i, (c, a, b) in enumerate(outcomes)]
    return Table(SUITE, "diffusion", "autoregressive", len(rows), tuple(rows), 1.0, alpha)


def test_repeats_of_a_case_and_cases_of_a_cluster_count_once():
    together = clustered([(f"c{i // 5}", 1, 1) for i in range(100)])
    assert together.clusters == 20
    assert together.interval().low == pytest.approx(table([(1, 1)] * 20).interval().low, abs=1e-9)
    assert not together.shows(0.05)
    assert table([(1, 1)] * 100).shows(0.05)


def test_a_template_of_half_of_the_cases_weighs_as_much_as_any_other_cluster():
    lost = [("template", 0, 1)] * 100 + [(f"c{i}", 1, 1) for i in range(100)]
    kept = [("template", 1, 1)] * 100 + [(f"c{i}", 1, 1) for i in range(100)]
    assert clustered(lost).clusters == clustered(kept).clusters == 101
    assert clustered(lost).interval().estimate == pytest.approx(-1 / 101)
    assert clustered(lost).interval().low < clustered(kept).interval().low


def repeated(rows, alpha=0.05):
    """A table from (repeats passed by the mode, by the baseline, of how many)."""
    pairs = tuple(
        Pair(str(i), f"\x00{i}", "normal", a / r, b / r, None, None, "", 2 * a > r, 2 * b > r)
        for i, (a, b, r) in enumerate(rows)
    )
    return Table(SUITE, "diffusion", "autoregressive", len(pairs), pairs, 1.0, alpha)


def test_repeats_pass_by_majorities_and_by_fractions_both():
    # by fractions alone 3 of 60 lost once in three would pass; by majorities alone a third lost everywhere would
    assert repeated([(3, 3, 3)] * 60).shows(0.05)
    assert not repeated([(0, 3, 3)] * 3 + [(3, 3, 3)] * 57).shows(0.05)
    thinned = repeated([(2, 3, 3)] * 60)
    assert thinned.counts() == (60, 0, 0, 0)
    assert not thinned.shows(0.05)
    assert thinned.interval().estimate == pytest.approx(-1 / 3)


def test_flaky_cases_that_are_flaky_in_both_modes_still_pass():
    rows = [(3, 3, 3)] * 190 + [(2, 3, 3), (3, 2, 3)] * 5
    assert repeated(rows).shows(0.05)


@pytest.mark.parametrize(("repeats", "n", "margin"), [(2, 100, 0.05), (3, 100, 0.05), (3, 60, 0.05), (3, 250, 0.03)])
def test_losses_on_few_cases_with_repeats_pass_wrongly_in_at_most_one_of_twenty(repeats, n, margin):
    rng, trials, wrong = random.Random(repeats * 1000 + n), 400, 0
    for _ in range(trials):
        lost = [rng.random() < margin for _ in range(n)]
        wrong += repeated([(0 if gone else repeats, repeats, repeats) for gone in lost]).shows(margin)
    assert wrong / trials <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)


def test_the_guard_over_fractions_adds_a_whole_loss_and_a_whole_gain():
    got = guarded_mean([0.0] * 60)
    assert got.estimate == 0.0
    assert -0.05 < got.low < -0.03
    assert got.low == -got.high
