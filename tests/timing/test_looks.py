"""Early stopping: looks are preset, stop only what is decided, and keep the error of the whole at what was asked."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from evalkit.analysis.order import Reading
from evalkit.findings import Status
from evalkit.items.modes import decide as item
from evalkit.run.plan.execute import planned_here
from evalkit.run.plan.looks import Question, look, question
from evalkit.stats.sequential import look_sizes
from evalkit.timing.facts import Look
from tests.timing.support import AR, DLM, NOW, checklist, facts, sample

SPEC = "self-speculation"


def read(logs, modes=(DLM,), first=0):
    """Readings of prompts that gain so much in each mode, one reading a mode."""
    out = []
    for i, x in enumerate(logs, start=first):
        gains = {AR: 0.0, **dict.fromkeys(modes, x)} if isinstance(x, float) else {AR: 0.0, **x}
        for mode, gain in gains.items():
            place = len(out)
            out.append(Reading(mode, f"p{i}", 5.0 - gain, 0, i, 0, place, f"{place:06}"))
    return out


def draws(n, mean=0.0, sd=0.18, seed=1):
    rng = random.Random(seed)
    return [rng.gauss(mean, sd) for _ in range(n)]


def test_nothing_is_looked_at_between_the_preset_sizes():
    asked = Question(AR, (DLM,), 1.0, sizes=(40, 80, 120, 160))
    assert look(asked, read(draws(39, 2.0)), ()) is None
    assert look(asked, read(draws(79, 2.0)), (40,)) is None
    assert look(asked, read(draws(40, 2.0)), ()).stopped


def test_a_look_that_was_skipped_is_not_made_up_for():
    asked = Question(AR, (DLM,), 1.0, sizes=(40, 80, 120, 160))
    got = look(asked, read(draws(125, 0.01)), ())
    assert (got.prompts, got.stopped) == (120, False)
    assert look(asked, read(draws(125, 0.01)), (120,)) is None


def test_an_early_look_asks_for_more_than_a_late_one():
    asked = Question(AR, (DLM,), 1.0, sizes=(40, 80, 120, 160))
    bounds = [asked.boundary(n) for n in asked.sizes]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] > 4
    assert bounds[-1] < 2.1


def test_the_last_look_stops_nothing():
    asked = Question(AR, (DLM,), 1.0, sizes=(40,))
    assert not look(asked, read(draws(40, 0.5)), ()).stopped


def test_a_mode_that_is_still_open_keeps_all_of_them_going():
    asked = Question(AR, (DLM, SPEC), 1.0, sizes=(40, 80))
    both = [{DLM: fast, SPEC: same} for fast, same in zip(draws(40, 2.0), draws(40, 0.0, seed=2), strict=True)]
    assert look(replace(asked, modes=(DLM,), claims=2), read(both), ()).stopped
    assert not look(asked, read(both), ()).stopped


@pytest.mark.parametrize("sign", [1, -1])
def test_a_gain_that_fades_or_grows_does_not_end_the_run_before_the_middle_of_the_plan(sign):
    """Over 40 prompts the mean is clear of the threshold; the line through them crosses it before the middle."""
    asked = Question(AR, (DLM,), 1.5, sizes=(40, 80, 120, 160))
    still = [math.log(1.5) + sign * 0.4 + 0.02 * x for x in draws(40)]
    moving = [value - sign * 0.02 * (i - 20) for i, value in enumerate(still)]
    assert look(asked, read(still), ()).stopped
    assert not look(asked, read(moving), ()).stopped


def decided(logs, sizes=(40, 80, 120, 160), at_least=1.0):
    """The finding at the look at which timing stops, or at the end."""
    asked, looks = Question(AR, (DLM,), at_least, sizes=sizes), []
    for size in sizes:
        found = look(asked, read(logs[:size]), [one.prompts for one in looks])
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
    assert last.prompts < last.planned == 160
    assert got.data["pairs"] == last.prompts
    assert f"look at {last.prompts} prompts" in got.data["method"]
    assert got.data["confidence"] == 0.95
    plain = item.decide(checklist(repeats=1), facts(_pairs(draws(160, math.log(1.3))[: last.prompts])), NOW)
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
    """80 runs of equal modes, four looks each: at most 5% false decisions, within what chance allows (9 of 80)."""
    statuses = [decided(draws(160, seed=seed))[1].status for seed in range(80)]
    wrong = [s for s in statuses if s in (Status.PASS, Status.FAIL)]
    assert len(wrong) <= 9
    assert statuses.count(Status.PASS) <= 6  # 2.5% each way
    looked_plainly = sum(_plain_looks(draws(160, seed=seed)) for seed in range(80))
    assert looked_plainly > len(wrong), "plain 95% intervals at every look are wrong more often"


def _plain_looks(logs):
    from evalkit.stats.ratio import estimate

    found = (estimate({str(i): x for i, x in enumerate(logs[:n])}) for n in (40, 80, 120, 160))
    return any(f.low >= 1 or f.high < 1 for f in found)


def asked_by(modes, *, scored=False, sizes=(40, 80), **settings):
    class Plan:
        baseline, looks, repeats, seed, together = AR, sizes, 2, 1, True

    return question(checklist(*modes, **settings), Plan, scored=scored)


def test_only_a_run_that_needs_no_more_than_the_speed_up_may_stop_early():
    assert asked_by([AR, DLM]).sizes == (40, 80)
    assert asked_by([AR, DLM, SPEC]).claims == 2
    assert asked_by([AR, DLM], latency={"e2e_p95_ms": 100}) is None
    assert asked_by([AR, DLM], goodput=0.9, latency={"e2e_p95_ms": 100}) is None
    assert asked_by([AR, DLM], scored=True) is None
    assert asked_by([AR, DLM], sizes=(40,)) is None
    assert asked_by([AR]) is None


def test_a_run_that_stopped_early_is_not_gone_on_with(tmp_path):
    from evalkit.checklist.schema import ModesItem
    from evalkit.run.plan.schedule import make_plan
    from evalkit.run.steps.timing import open_requests
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
