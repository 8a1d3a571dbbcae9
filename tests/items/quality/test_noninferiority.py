"""The test of non-inferiority as the quality item uses it: its errors over a grid, its power, and brute force."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest

from evalkit.analysis.pairs import Pair, Table, shows_margin
from evalkit.quality.facts import SuiteFacts
from evalkit.stats.distributions import binomial_pmf
from evalkit.stats.proportions import min_n_without_discordant, paired_difference, power_noninferiority

MARGINS = (0.10, 0.05, 0.03, 0.02)
DISCORDANT = (0.02, 0.05, 0.10, 0.20)
SIZES = (30, 50, 100, 200, 400, 800)
#: a true loss of the margin, with gains beside the losses
GRID = [(m, d, n) for m in MARGINS for d in DISCORDANT for n in SIZES if d > m]
#: every differing case is a loss: the approximation's edge, docs/decisions/0010
EDGE = [(m, m, n) for m in MARGINS for n in SIZES]
SUITE = SuiteFacts(name="s", kind="chat", path="p", sha256="0", cases=1)


def table(pairs):
    """A suite's table from (mode, baseline) passes."""
    rows = tuple(Pair(str(i), f"\x00{i}", "normal", float(a), float(b), None, None) for i, (a, b) in enumerate(pairs))
    return Table(SUITE, "diffusion", "autoregressive", len(rows), rows, 1.0, 0.05)


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
def test_a_mode_that_loses_the_margin_is_let_through_in_at_most_six_of_a_hundred_over_the_whole_grid():
    rates = {cell: type_one(*cell) for cell in GRID}
    worst = max(rates, key=rates.get)
    print(f"type-I error over {len(GRID)} cells: worst {rates[worst]:.4f} at margin, discordance, n = {worst}")
    assert round(rates[worst], 3) <= 0.060
    assert sum(rate > 0.001 for rate in rates.values()) > 20  # the grid is no row of zeros
    edge = {cell: type_one(*cell) for cell in EDGE}
    # where not one pair need differ, the fewest cases that can pass are what users were promised
    smallest = {(0.05, 0.05, 50)}
    assert max(rate for cell, rate in edge.items() if cell not in smallest) <= 0.06
    assert max(edge.values()) <= 0.08


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
        assert passed / trials <= 0.06


#: simulated, so to within a few points: chance that an equally good mode is shown non-inferior
TABULATED = {
    (0.10, 0.05): (0.52, 0.83, 0.99, 1, 1, 1),
    (0.10, 0.20): (0.27, 0.43, 0.69, 0.94, 1, 1),
    (0.05, 0.05): (0.10, 0.28, 0.60, 0.90, 0.99, 1),
    (0.05, 0.10): (0.14, 0.21, 0.50, 0.75, 0.94, 0.99),
    (0.03, 0.05): (0.01, 0.13, 0.31, 0.55, 0.85, 0.98),
    (0.02, 0.02): (0, 0.01, 0.28, 0.58, 0.86, 0.98),
}


@pytest.mark.parametrize(("margin", "discordant"), sorted(TABULATED))
def test_power_is_as_tabulated(margin, discordant):
    for n, power in zip(SIZES, TABULATED[margin, discordant], strict=True):
        assert power_noninferiority(n, discordant, margin) == pytest.approx(power, abs=0.07), n


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
            (paired_difference(n11, n10, n01, n00).low, paired_difference(n11, n10, n01, n00).high)
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
    least = min_n_without_discordant(margin)
    assert least == {0.10: 22, 0.05: 45, 0.03: 76, 0.02: 115}[margin]
    assert table([(1, 1)] * least).interval().low > -margin
    assert not table([(1, 1)] * (least - 1)).interval().low > -margin
    assert not table([(1, 1)] * (least - 1) + [(0, 1)]).interval().low > -margin


def test_repeats_of_a_case_and_cases_of_a_cluster_count_once():
    together = tuple(Pair(str(i), f"c{i // 5}", "normal", 1.0, 1.0, None, None) for i in range(100))
    clustered = Table(SUITE, "diffusion", "autoregressive", 100, together, 1.0, 0.05)
    assert clustered.clusters == 20
    assert clustered.interval().low == pytest.approx(table([(1, 1)] * 20).interval().low, abs=1e-9)
    assert not clustered.interval().low > -0.05 < table([(1, 1)] * 100).interval().low


def test_losses_alone_must_also_keep_within_the_margin_by_tango():
    pairs = [(1, 1)] * 396 + [(0, 1)] * 4
    assert table(pairs).interval().low > -0.02
    assert not table(pairs).shows(0.02)
    assert table([*pairs[:-1], (1, 1)]).shows(0.02)
    assert table([*pairs, (1, 0)]).shows(0.02)  # with a gain beside them, Bonett and Price's holds its error
