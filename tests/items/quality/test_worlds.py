"""A short form of the benchmark of simulated worlds: wrong passes stay near one in twenty, equal modes pass."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import worlds_quality as bench

RUNS = 60
WORLDS = list(bench.worlds())[::5]


@pytest.mark.parametrize("world", WORLDS, ids=[world.name for world in WORLDS])
def test_a_mode_that_loses_the_margin_passes_in_at_most_one_of_twenty_runs(world):
    through, failed = bench.rate(world, RUNS, 7)
    if world.bad:
        assert through <= bench.allowed(0.05, RUNS)
    else:
        assert through >= 0.75 * RUNS
        assert failed <= bench.allowed(0.025, RUNS)


@pytest.mark.parametrize("index", [0, 6, 7, 8])
def test_several_modes_together_and_floors_go_wrong_in_at_most_one_of_twenty(index):
    name, wrong, most = list(bench.whole())[index]
    rng = random.Random(name)
    assert sum(wrong(rng) for _ in range(20)) <= bench.allowed(most, 20)


def test_a_small_suite_that_loses_a_tenth_of_40_cases_is_not_carried():
    rng = random.Random(5)
    assert sum(bench.carried(rng, 40, 0.10) for _ in range(12)) <= 4  # 8% of runs lose one case or none
