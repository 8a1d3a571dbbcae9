"""The fixed-length diagnosis: a second reading of some prompts with ignore_eos, that informs and never decides."""

from __future__ import annotations

import pytest

from evalkit.checklist.schema import ModesItem
from evalkit.findings import Status
from evalkit.items.modes import decide as item
from evalkit.run.plan.schedule import make_plan
from tests.timing.support import AR, DLM, NOW, checklist, execute_on, facts, prompts, sample, script, simulated


def test_it_is_off_by_default_and_comes_last_with_one_reading_of_forty_prompts(tmp_path):
    some = prompts(tmp_path, 50).prompts
    assert not any(p.fixed_length for p in make_plan(some, [AR, DLM], AR, ModesItem()).requests)
    plan = make_plan(some, [AR, DLM], AR, ModesItem(fixed_length=True, concurrency=[1, 2]))
    fixed = [p for p in plan.requests if p.fixed_length]
    assert len(fixed) == 2 * 40
    assert plan.requests[-len(fixed) :] == tuple(fixed)
    assert len({p.key for p in plan.requests}) == len(plan.requests)


def test_servers_that_are_started_give_it_in_their_last_start(tmp_path):
    plan = make_plan(prompts(tmp_path).prompts, [AR, DLM], AR, ModesItem(fixed_length=True), launched=[AR, DLM])
    assert {(p.mode, p.launch) for p in plan.requests if p.fixed_length} == {(AR, 2), (DLM, 2)}


def test_only_its_requests_ask_to_ignore_the_end(tmp_path):
    samples, _, _, servers = execute_on(
        tmp_path, [script(0.0)] * 2, count=3, item=ModesItem(fixed_length=True, warmup=0, repeats=1)
    )
    assert [s.fixed_length for s in samples].count(True) == 6
    for server in servers:
        assert [bool(body.get("ignore_eos")) for _, body in server.requests] == [False] * 3 + [True] * 3


def fixed(ratio, n=30, tokens=64, **kw):
    return [
        sample(
            m, f"p{i}", 0, 1000 / (ratio if m == DLM else 1) * (1 + 0.01 * (i % 7)), i, tokens=tokens, **kw
        ).model_copy(update={"fixed_length": True})
        for i in range(n)
        for m in (AR, DLM)
    ]


@pytest.mark.parametrize(("natural", "forced"), [(1.0, 3.0), (2.0, 0.5)])
def test_it_stands_beside_the_decided_ratio_and_changes_nothing(natural, forced):
    timed = simulated(natural, n=40)
    alone = {(f.id, f.mode): f for f in item.decide(checklist(speedup={"at_least": 1.3}), facts(timed), NOW)}
    asked = checklist(speedup={"at_least": 1.3}, fixed_length=True)
    both = {(f.id, f.mode): f for f in item.decide(asked, facts([*timed, *fixed(forced)]), NOW)}
    found = both.pop(("modes.fixed-length", DLM))
    assert found.data["ratio"] == pytest.approx(forced, rel=0.05)
    assert (found.outcome, found.counts) == ("measured", False)
    assert both == alone


def test_servers_that_refuse_have_no_reading():
    timed = [*simulated(2.0, n=40), *fixed(2.0, ok=False)]
    found = {(f.id, f.mode): f for f in item.decide(checklist(fixed_length=True), facts(timed), NOW)}
    assert found["modes.fixed-length", DLM].outcome == "not-available"
    assert found["modes.fixed-length", DLM].data["failed"] == 30
    assert not found["modes.fixed-length", DLM].counts
    assert found["modes.speedup", DLM].status is Status.PASS
