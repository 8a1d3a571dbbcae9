"""Sweeps in worlds whose truth is known: where they end, what they send, and that chance adopts nothing that loses.

Seeded. benchmarks/sweep.py prints rates over more worlds and runs; `make sweeps` runs the full length of these.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FULL = [pytest.mark.proof, pytest.mark.timeout(3000)]


@pytest.fixture(scope="module")
def bench():
    """The benchmark, imported as it is run."""
    sys.path.insert(0, str(BENCHMARKS))
    patch = pytest.MonkeyPatch()
    try:
        import sweep
        from worlds_quality import allowed

        patch.setattr(sweep.suites, "n_noninferiority", sweep.no_remedy)
        sweep.allowed = allowed
        yield sweep
    finally:
        patch.undo()
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("runs", [8, pytest.param(100, marks=FULL)])
@pytest.mark.parametrize("name", ["two of six lose 20 and 35 points", "12 settings, 4 lose 20 points"])
def test_a_sweep_ends_on_the_fastest_setting_that_loses_nothing_with_half_of_the_grid(bench, name, runs):
    world = next(one for one in bench.WORLDS if one.name == name)
    found = bench.rates(world, runs)
    assert found["best"] >= 0.9 * runs
    assert found["wrong"] == 0
    assert found["above"] == 0


@pytest.mark.parametrize("runs", [8, pytest.param(100, marks=FULL)])
def test_settings_that_lose_exactly_the_margin_are_adopted_in_at_most_one_of_twenty_runs(bench, runs):
    world = next(one for one in bench.WORLDS if one.name == "all lose exactly the margin")
    assert bench.rates(world, runs)["wrong"] <= bench.allowed(0.05, runs)


@pytest.mark.parametrize("runs", [pytest.param(100, marks=FULL)])
def test_a_sweep_over_the_reference_server_ends_as_its_script_says(bench, runs):
    found = list(bench.referenced(runs))
    assert sum(one.mode == "diffusion@s3" for one in found) >= 0.9 * runs
    assert not [one for one in found if one.mode in ("diffusion@s4", "diffusion@s5")]
    assert all(2 * one.sent <= one.grid for one in found)
