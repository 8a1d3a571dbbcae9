"""Worlds with a known truth, run through the plan, looks, claims and guards: none of the bold ones ends in a wrong GO.

Seeded: the counts are the same in every run. benchmarks/worlds.py prints rates over many more runs.
"""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.findings import Status

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def worlds():
    """The benchmark, imported as it is run."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import worlds

        yield worlds
    finally:
        sys.path.remove(str(BENCHMARKS))


def named(worlds, name, prompts):
    return next(w for w in worlds.WORLDS if (w.name, w.prompts) == (name, prompts))


@pytest.mark.parametrize(
    ("name", "prompts"),
    [
        ("carry-over 5%, one mode", 60),
        ("second reading 90% faster", 60),
        ("period 8", 60),
        ("pattern of A B B A B A A B", 60),
        ("5% lose 4x", 60),
        ("level 16, batches .05", 60),
        ("single, machine 20% faster, 5% below", 60),
    ],
)
def test_a_world_that_fooled_a_plain_interval_is_no_wrong_go(worlds, name, prompts):
    """Each of them ended 5 to 100% of the runs in a wrong GO while prompts were all that an interval knew."""
    found = worlds.cell(named(worlds, name.replace(".05", "0.05"), prompts), 8)
    assert (found.go, found.no_go) == (0, 0)
    assert found.covered == found.claims


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "prompts"),
    [
        ("noise 0.3 normal", 28), ("noise 0.3 exponential", 28), ("carry-over 5% against one mode", 60),
        ("second reading 5% faster", 60), ("2% lose 4x", 28), ("level 4, batches .05", 60), ("level 16, wandering", 60),
        ("one mode fades by e^0.5", 200), ("both up, starts 0.03", 60),
        ("replicated starts 0.08", 60), ("single, machine 20% slower", 60), ("4 modes", 60),
    ],
)  # fmt: skip
def test_wrong_decisions_are_as_rare_as_is_promised(worlds, name, prompts):
    """2.5% each way: 4 or more of 40 would be chance once in 60."""
    found = worlds.cell(named(worlds, name, prompts), 40)
    assert max(found.go, found.no_go) <= 3
    assert found.covered >= 0.94 * found.claims - 3


@pytest.mark.parametrize(("ratio", "asked", "status"), [(2.0, 1.5, Status.PASS), (3.0, 2.0, Status.PASS)])
def test_a_steady_gain_passes_on_22_prompts(worlds, ratio, asked, status):
    """Deterministic servers that are both up: the allowances are not so wide that a real gain is lost."""
    world = worlds.World("steady", 22, ratio, asked, noise=0.0, gains=0.0)
    outcomes, _ = worlds.trial(world, 1)
    assert outcomes[0].go
    assert worlds.trial(replace(world, ratio=asked * 0.8), 1)[0][0].failed


@pytest.mark.parametrize(("at", "most_lost"), [(0, 0), (1, 3)])
def test_a_real_gain_is_shown(worlds, at, most_lost):
    """1.3x where 1.1x is asked, on 32 prompts, with little and with typical noise."""
    found = worlds.cell(worlds.GAINS[at], 20)
    assert found.go >= found.runs - most_lost


def test_a_look_decides_what_the_verdict_decides(worlds):
    """A run that a look ended is decided by the interval of that look, and has fewer prompts than its plan."""
    world = worlds.World("clear", 160, 2.0, 1.2)
    asked = worlds.checklist(world, 3)
    facts = worlds.collect(world, asked, random.Random(3))
    assert facts.looks[-1].stopped
    assert len({s.prompt_id for s in facts.timed}) < 160
    assert worlds.decide(world, asked, facts)[0].go
