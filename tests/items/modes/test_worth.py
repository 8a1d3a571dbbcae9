"""What a mode is worth: the frontier of latency and quality, cost, and what it takes to settle what is open."""

from __future__ import annotations

import random

import pytest

from evalkit.analysis.frontier import frontier
from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange
from evalkit.findings import Status
from evalkit.items.modes import decide as item
from evalkit.quality.facts import Answer
from evalkit.serving.facts import EndpointFacts
from tests.timing.support import AR, DLM, NOW, checklist, facts, sample, simulated

FAST, SLOW = "diffusion@t0.5", "diffusion@t0.9"


def answers(mode, passed, n=100):
    """`passed` of `n` cases; those that fail are the last ones."""
    return [
        Answer(mode=mode, suite="s", kind="custom", case_id=f"c{i}", request_sha256=f"asks {i}", passed=i < passed, exchange=Exchange(ok=True))
        for i in range(n)
    ]  # fmt: skip


def timed(ratios, n=40):
    rng = random.Random(3)
    return [sample(m, f"p{i}", 0, 1000 / r * (1 + 0.02 * rng.random()), i) for i in range(n) for m, r in ratios.items()]


def points(ratios, shares):
    check = checklist(*ratios)
    seen = facts(timed(ratios), answers=tuple(a for m, k in shares.items() for a in answers(m, k)))
    return {p.mode: p for p in frontier(check, seen, Readings(seen.timed))}, check, seen


def test_a_configuration_that_is_slower_and_worse_is_dominated_and_one_that_trades_is_not():
    got, check, seen = points({AR: 1.0, FAST: 3.0, SLOW: 2.0}, {AR: 95, FAST: 80, SLOW: 70})
    assert got[SLOW].dominated_by == (FAST,)
    assert got[SLOW].surely == (FAST,)
    assert got[FAST].dominated_by == got[AR].dominated_by == ()
    assert got[FAST].e2e_ms == pytest.approx(1000 / 3, rel=0.03)
    assert got[FAST].low < 0.8 < got[FAST].high
    found = next(f for f in item.decide(check, seen, NOW) if f.id == "modes.frontier")
    assert (found.outcome, found.counts) == ("drawn", False)
    assert {p["mode"]: p["surely"] for p in found.data["points"]} == {AR: [], FAST: [], SLOW: [FAST]}


def test_a_lead_within_chance_is_said_to_be_that():
    got, _, _ = points({AR: 1.0, FAST: 2.0, SLOW: 1.999}, {AR: 90, FAST: 80, SLOW: 80})
    assert got[SLOW].dominated_by == (FAST,)
    assert got[SLOW].surely == ()


def test_equal_points_dominate_nobody():
    same = [sample(m, f"p{i}", 0, 500, i) for i in range(30) for m in (FAST, SLOW)]
    seen = facts(same, answers=(*answers(FAST, 50), *answers(SLOW, 50)))
    assert all(p.dominated_by == () for p in frontier(checklist(AR, FAST, SLOW), seen, Readings(seen.timed)))


def test_only_prompts_and_cases_that_all_points_have_are_compared():
    ratios = {AR: 1.0, FAST: 2.0}
    extra = [sample(FAST, f"more{i}", 0, 1, i) for i in range(50)]
    seen = facts([*timed(ratios), *extra], answers=(*answers(AR, 90), *answers(FAST, 90), *answers(FAST, 200, 200)))
    got = {p.mode: p for p in frontier(checklist(AR, FAST), seen, Readings(seen.timed))}
    assert got[FAST].e2e_ms == pytest.approx(505, rel=0.02)
    assert got[FAST].cases == 100


def test_one_mode_beside_the_baseline_or_nothing_scored_is_no_frontier():
    for shares in ({AR: 90, DLM: 80}, {}):
        _, check, seen = points({AR: 1.0, DLM: 2.0}, shares)
        assert not [f for f in item.decide(check, seen, NOW) if f.id == "modes.frontier"]


def priced_checklist(usd=6.0, **settings):
    return Checklist.model_validate(
        {
            "modes": {m: {"endpoint": "http://a:1"} for m in (AR, DLM)},
            "items": {"modes": settings},
            "cost": {"usd_per_gpu_hour": usd},
        }
    )


def found(check, seen, name, mode=DLM):
    return next(f for f in item.decide(check, seen, NOW) if (f.id, f.mode) == (f"modes.{name}", mode))


def test_cost_is_per_request_and_per_correct_answer_and_counts_the_gpus():
    two = {DLM: EndpointFacts(label=DLM, endpoint="http://a:1", reachable=True, settings={"tp_size": 2})}
    once = [sample(DLM, f"p{i}", 0, 3000, i) for i in range(30)] + [sample(AR, f"p{i}", 0, 6000, i) for i in range(30)]
    seen = facts(once, answers=tuple(answers(DLM, 50)), endpoints=two)
    got = found(priced_checklist(), seen, "cost").data
    assert got["usd_per_1000"] == pytest.approx(1000 * 3 / 3600 * 2 * 6)
    assert got["usd_per_1000_correct"] == pytest.approx(2 * got["usd_per_1000"])
    assert found(priced_checklist(), seen, "cost", AR).data["usd_per_1000"] == pytest.approx(10)


def test_no_correct_answer_has_no_price():
    seen = facts(simulated(2.0, n=20), answers=tuple(answers(DLM, 0)))
    got = found(priced_checklist(), seen, "cost")
    assert got.data["usd_per_1000_correct"] is None
    assert (got.outcome, got.data["scored"]) == ("none-correct", 100)


OPEN = {
    "speedup": ({"speedup": {"at_least": 1.5}}, simulated(1.8, n=24, noise=0.4, seed=1)),
    "latency-e2e-p99": ({"latency": {"e2e_p99_ms": 1e7}}, simulated(2.0, n=60)),
    "latency-ttft-p50": ({"latency": {"ttft_p50_ms": 100}}, simulated(2.0, n=60)),
    "goodput": ({"latency": {"e2e_p50_ms": 1e7}, "goodput": 0.99}, simulated(2.0, n=60)),
    "failures": ({}, [s if i % 9 else sample(s.mode, s.prompt_id, s.repeat, 9, i, ok=s.mode == AR) for i, s in enumerate(simulated(2.0))]),
}  # fmt: skip


@pytest.mark.parametrize("name", OPEN)
def test_whatever_is_open_says_prompts_minutes_and_money(name):
    settings, samples = OPEN[name]
    got = found(priced_checklist(**settings), facts(samples), name)
    assert got.status is Status.INCONCLUSIVE
    assert got.data["prompts_needed"] > 0
    assert got.data["minutes_needed"] > 0
    assert got.data["usd_needed"] == pytest.approx(got.data["minutes_needed"] / 60 * 6)
    for word in ("prompts", "USD"):
        assert word in got.remedy


def test_without_a_price_no_money_is_named():
    got = found(checklist(speedup={"at_least": 1.5}), facts(simulated(1.5, seed=4)), "speedup")
    assert got.data["usd_needed"] is None
    assert "USD" not in got.remedy
