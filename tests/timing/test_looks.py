"""Early stopping: looks are preset, stop only what is decided, and keep the error of the whole at what was asked."""

from __future__ import annotations

import math
import random

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.findings import Status
from evalkit.items.modes import decide as item
from evalkit.run.steps.timing import question
from evalkit.stats.sequential import look_sizes
from evalkit.timing.execute import planned_here
from evalkit.timing.facts import Look
from evalkit.timing.looks import Question, look
from tests.timing.support import AR, DLM, NOW, checklist, facts, sample

SPEC = "self-speculation"


def times(logs, modes=(DLM,)):
    return {f"p{i}": {AR: [100.0], **{m: [100.0 / math.exp(x)] for m in modes}} for i, x in enumerate(logs)}


def draws(n, mean=0.0, sd=0.18, seed=1):
    rng = random.Random(seed)
    return [rng.gauss(mean, sd) for _ in range(n)]


def test_nothing_is_looked_at_between_the_preset_sizes():
    asked = Question(AR, (DLM,), 1.0, sizes=(40, 80, 120, 160))
    assert look(asked, times(draws(39, 0.5)), ()) is None
    assert look(asked, times(draws(79, 0.5)), (40,)) is None
    assert look(asked, times(draws(40, 0.5)), ()).stopped


def test_a_look_that_was_skipped_is_not_made_up_for():
    asked = Question(AR, (DLM,), 1.0, sizes=(40, 80, 120, 160))
    got = look(asked, times(draws(125, 0.01)), ())
    assert (got.prompts, got.stopped) == (120, False)
    assert look(asked, times(draws(125, 0.01)), (120,)) is None


def test_an_early_look_asks_for_more_than_a_late_one():
    asked = Question(AR, (DLM,), 1.0, sizes=(40, 80, 120, 160))
    bounds = [asked.boundary(n) for n in asked.sizes]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] > 4
    assert bounds[-1] < 2.1


def test_the_last_look_stops_nothing():
    asked = Question(AR, (DLM,), 1.0, sizes=(40,))
    assert not look(asked, times(draws(40, 0.5)), ()).stopped


def test_a_mode_that_is_still_open_keeps_all_of_them_going():
    asked = Question(AR, (DLM, SPEC), 1.0, sizes=(40, 80))
    some = times(draws(40, 0.5))
    for i, x in enumerate(draws(40, 0.0, seed=2)):
        some[f"p{i}"][SPEC] = [100 / math.exp(x)]
    assert not look(asked, some, ()).stopped


def decided(logs, sizes=(40, 80, 120, 160), at_least=1.0):
    """The finding at the look at which timing stops, or at the end."""
    asked, looks = Question(AR, (DLM,), at_least, sizes=sizes), []
    for size in sizes:
        found = look(asked, times(logs[:size]), [one.prompts for one in looks])
        looks.append(found)
        if found.stopped:
            break
    timed = []
    for i, x in enumerate(logs[: looks[-1].prompts]):
        timed += [sample(AR, f"p{i}", 0, 1000, 2 * i), sample(DLM, f"p{i}", 0, 1000 / math.exp(x), 2 * i + 1)]
    findings = item.decide(checklist(speedup={"at_least": at_least}, repeats=1), facts(timed, looks=tuple(looks)), NOW)
    return looks[-1], next(f for f in findings if (f.id, f.mode) == ("modes.speedup", DLM))


def test_what_stopped_the_run_is_what_is_decided_and_its_interval_is_the_looks_own():
    last, got = decided(draws(160, math.log(1.3)))
    assert last.stopped
    assert got.status is Status.PASS
    assert got.data["pairs"] == last.prompts == 40
    assert "look at 40 prompts" in got.data["method"]
    assert got.data["confidence"] == 0.95
    plain = item.decide(checklist(repeats=1), facts(_pairs(draws(160, math.log(1.3))[:40])), NOW)
    narrow = next(f for f in plain if (f.id, f.mode) == ("modes.speedup", DLM))
    assert got.data["low"] < narrow.data["low"]
    assert got.data["high"] > narrow.data["high"]


def _pairs(logs):
    out = []
    for i, x in enumerate(logs):
        out += [sample(AR, f"p{i}", 0, 1000, 2 * i), sample(DLM, f"p{i}", 0, 1000 / math.exp(x), 2 * i + 1)]
    return out


@pytest.mark.slow
def test_equal_modes_are_called_different_as_rarely_as_was_asked_over_all_looks():
    """150 runs of equal modes, four looks each: at most 5% false decisions, within what chance allows (14 of 150)."""
    statuses = [decided(draws(160, seed=seed))[1].status for seed in range(150)]
    wrong = [s for s in statuses if s in (Status.PASS, Status.FAIL)]
    assert len(wrong) <= 14
    assert statuses.count(Status.PASS) <= 9  # 2.5% each way
    looked_plainly = sum(_plain_looks(draws(160, seed=seed)) for seed in range(150))
    assert looked_plainly > len(wrong), "plain 95% intervals at every look are wrong more often"


def _plain_looks(logs):
    from evalkit.stats.ratio import estimate

    found = (estimate({str(i): x for i, x in enumerate(logs[:n])}) for n in (40, 80, 120, 160))
    return any(f.low >= 1 or f.high < 1 for f in found)


def asked_by(modes, scored=None, sizes=(40, 80), **settings):
    class Plan:
        baseline, looks, repeats, seed, together = AR, sizes, 2, 1, True

    class Setup:
        plan = Plan

    Setup.scored = scored or {}

    class Run:
        checklist = Checklist.model_validate(
            {"modes": {m: {"endpoint": "http://a:1"} for m in modes}, "items": {"modes": settings}}
        )
        setup = Setup

    return question(Run)


def test_only_a_run_that_needs_no_more_than_the_speed_up_may_stop_early():
    assert asked_by([AR, DLM]).sizes == (40, 80)
    assert asked_by([AR, DLM, SPEC]).claims == 2
    assert asked_by([AR, DLM], latency={"e2e_p95_ms": 100}) is None
    assert asked_by([AR, DLM], goodput=0.9, latency={"e2e_p95_ms": 100}) is None
    assert asked_by([AR, DLM], scored={"p1": "suite|case"}) is None
    assert asked_by([AR, DLM], sizes=(40,)) is None
    assert asked_by([AR]) is None


def test_a_run_that_stopped_early_is_not_gone_on_with(tmp_path):
    from evalkit.checklist.schema import ModesItem
    from evalkit.run.steps.timing import open_requests
    from evalkit.timing.schedule import make_plan
    from tests.timing.support import prompts

    plan = make_plan(prompts(tmp_path, 80).prompts, [AR, DLM], AR, ModesItem())
    assert plan.looks == look_sizes(80)
    assert len(planned_here(plan, [AR, DLM], done=frozenset())) == 320

    class Run:
        class setup:  # noqa: N801  stands for an attribute
            pass

        facts = facts([], looks=(Look(prompts=40, boundary=4, stopped=True),))
        timed_keys = frozenset()

    Run.setup.plan = plan
    assert open_requests(Run, [AR, DLM]) == []
