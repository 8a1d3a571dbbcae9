"""The same cases under load and alone: a batch that costs quality is found, and one that does not is not accused."""

from __future__ import annotations

import json

import pytest

from evalkit.checklist.loader import load_checklist
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.items.quality.decide import decide
from evalkit.quality.collect import plan_alone
from evalkit.quality.facts import Alone
from evalkit.reference import ReferenceServer, Script
from evalkit.run.collect import collect
from evalkit.run.setup import prepare
from evalkit.run.sizing import cost_of
from evalkit.stored.again import regraded
from evalkit.stored.folder import RunFolder
from tests.items.quality.decide_cases import AR, DLM, both, one, outcome, suite
from tests.support.show import Plain
from tests.support.start import NOW, START

FAST = {"ttft_ms": 2, "ms_per_forward": 0.1}


def decided(*, lost=(), gained=(), missing=(), n=130, alone=130, load=4, answered=True):
    """Of `n` cases under load, those `lost` there pass alone only; `missing` had no reply under load."""
    asked = Checklist.model_validate(
        {"modes": {AR: {}, DLM: {}}, "items": {"quality": {"alone": alone, "concurrency": load}}}
    )
    of = suite(n)
    answers = [a for a in both(of, lost=lost, gained=()) if a.mode == AR or int(a.case_id) not in missing]
    single = [one(DLM, i, i not in gained, of=of) for i in range(n)] if answered else []
    single += [one(AR, i, True, of=of) for i in range(n)] if answered else []
    facts = Facts(
        start=START, suites=(of,), answers=tuple(answers), alone=tuple(Alone(**dict(a)) for a in single)
    )  # fmt: skip
    return decide(asked, facts, NOW)


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        ({}, "as-good"),
        ({"lost": range(20)}, "falls"),
        ({"lost": range(2), "gained": (10,)}, "open"),
        ({"lost": range(7)}, "falls-some"),
        ({"lost": range(3), "gained": range(10, 20)}, "as-good"),
        ({"n": 40}, "too-few"),
        ({"missing": range(20)}, "open"),  # no reply under load is no reply that passes
        ({"answered": False}, "no-pairs"),
        ({"load": 1}, "one-at-a-time"),
    ],
)
def test_what_the_pairs_show(world, expected):
    found = decided(**world)
    assert outcome(found, "under-load") == [expected]
    assert not any(f.counts for f in found if f.id == "quality.under-load")


def test_nothing_is_said_where_nothing_was_to_be_asked():
    assert outcome(decided(alone=0), "under-load") == []


def test_the_baseline_is_held_against_itself_too():
    found = decided(lost=range(20))
    assert outcome(found, "under-load", AR) == ["as-good"]


def test_cases_are_spread_over_the_suites(tmp_path):
    from tests.quality.support import suite_file

    rows = [{"id": f"c{i}", "prompt": f"{i}?", "expect": ["json"]} for i in range(50)]
    texts = [json.dumps({"suite": {"name": name, "kind": "chat"}, "cases": rows}) for name in ("one", "two")]
    suites = [suite_file(tmp_path, text, f"{n}.yaml") for n, text in enumerate(texts)]
    planned = plan_alone(suites, [AR, DLM], cases=20)
    assert [p.mode for p in planned] == [AR] * 20 + [DLM] * 20
    assert [sum(p.suite.name == name for p in planned) for name in ("one", "two")] == [20, 20]
    assert len({p.key for p in planned}) == 40
    assert len(plan_alone(suites, [AR], cases=999)) == 100
    assert plan_alone(suites, [AR], cases=0) == []


@pytest.mark.slow
def test_a_server_whose_answers_go_wrong_in_a_full_batch_is_found_out(tmp_path):
    texts = [f"What is {i} + {2 * i}?" for i in range(110)]
    cases = [{"id": f"c{i}", "prompt": text, "expect": [{"number": 3 * i}]} for i, text in enumerate(texts)]
    (tmp_path / "tasks.yaml").write_text(json.dumps({"suite": {"name": "sums", "kind": "chat"}, "cases": cases}))
    crowded = Script(mode="diffusion", error_full_rate=0.4, **FAST)
    with ReferenceServer(Script(**FAST)) as ar, ReferenceServer(crowded) as dlm:
        checklist = {
            "modes": {AR: {"endpoint": ar.base_url}, DLM: {"endpoint": dlm.base_url}},
            "tasks": ["tasks.yaml"],
            "items": {"quality": {"alone": 105, "concurrency": 4}},
        }
        path = tmp_path / "checklist.yaml"
        path.write_text(json.dumps(checklist))
        loaded = load_checklist(path)
        skip = dict.fromkeys(("license", "modes", "hardware", "serving", "context"), "not looked at")
        setup = prepare(loaded, skip=skip)
        (tmp_path / "run").mkdir()
        folder = RunFolder.create(tmp_path / "run", loaded, setup.document())
        facts = collect(setup, folder, Plain())
        again = collect(setup, folder, Plain())
    assert cost_of(setup)["task_requests"] == 110 * 3 + 105 * 2 == len(facts.answers) + len(facts.alone)
    found = decide(loaded.checklist, facts, NOW)
    assert outcome(found, "under-load") == ["falls"]
    assert outcome(found, "under-load", AR) == ["as-good"]
    assert len(again.alone) == len(facts.alone)  # a second session asks none of them again
    assert all(a.passed for a in facts.alone)
    graded, _ = regraded(folder, [tmp_path / "tasks.yaml"])
    assert [a.passed for a in graded.alone] == [a.passed for a in facts.alone]
