"""What results of a harness decide: only when they are whole, comparable, and of the servers of the run."""

from __future__ import annotations

import random

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.findings import KnownBy, Status
from evalkit.harness.facts import HarnessFacts
from evalkit.items.quality.decide import decide
from evalkit.serving.facts import EndpointFacts
from tests.support.quality_run import NOW, run_facts

AR, DLM = "autoregressive", "diffusion"
PORTS = {AR: 30000, DLM: 30001, "incumbent": 31000}


def results(mode, scores, **changes):
    return HarnessFacts(
        entry=0, task="t", kind="chat", mode=mode, reader="csv", settings={"temperature": 0}, model="m",
        endpoint=f"http://localhost:{PORTS[mode]}/v1/chat/completions", cases=tuple(f"c{i}" for i in range(len(scores))),
        scores=tuple(scores), finished_at="2020-01-01T11:00:00+00:00",
    ).model_copy(update=changes)  # fmt: skip


def endpoint(mode, **changes):
    return EndpointFacts(
        label=mode, endpoint=f"http://127.0.0.1:{PORTS[mode]}", reachable=True, model="m", served_models=("m",)
    ).model_copy(update=changes)


def decided(base, mode, *, endpoints=None, incumbent=None, **task):
    modes = {name: {"endpoint": f"http://127.0.0.1:{PORTS[name]}"} for name in (AR, DLM)}
    checklist = Checklist.model_validate({
        "modes": modes, "tasks": [{"results": {AR: "a", DLM: "b"}, "from": "csv", "kind": "chat", **task}],
        "items": {"quality": {"margin": {"default": 0.05}}}, **({"incumbent": {"endpoint": "http://127.0.0.1:31000"}} if incumbent else {}),
    })  # fmt: skip
    known = [one for one in (base, mode, incumbent) if one is not None]
    found = run_facts().model_copy(update={
        "suites": (), "answers": (), "harness": {one.key: one for one in known},
        "endpoints": endpoints or {name: endpoint(name) for name in PORTS},
    })  # fmt: skip
    return [one for one in decide(checklist, found, NOW) if one.mode in (DLM, None)]


def of(findings, check):
    (one,) = [one for one in findings if one.id == f"quality.{check}"]
    return one


GOOD = [1.0] * 180 + [0.0] * 20


def test_the_same_results_show_the_margin_as_a_third_partys_report():
    found = decided(results(AR, GOOD), results(DLM, GOOD))
    assert of(found, "harness").status is Status.PASS
    shown = of(found, "non-inferiority")
    assert (shown.status, shown.known_by, shown.counts) == (Status.PASS, KnownBy.THIRD_PARTY_REPORTED, True)
    assert of(found, "own-tasks").status is Status.PASS
    assert of(found, "scored").status is Status.PASS


def test_a_loss_beyond_the_margin_fails():
    worse = [0.0] * 40 + GOOD[40:]
    found = decided(results(AR, GOOD), results(DLM, worse))
    assert of(found, "non-inferiority").status is Status.FAIL
    assert of(found, "harm").data["harmed"] == 40


def test_scores_between_are_decided_by_their_mean():
    draw = random.Random(3)
    base = [round(draw.uniform(0.6, 1.0), 3) for _ in range(200)]
    near = [min(1.0, max(0.0, score + draw.uniform(-0.02, 0.02))) for score in base]
    far = [max(0.0, score - 0.2) for score in base]
    assert of(decided(results(AR, base), results(DLM, near)), "non-inferiority").status is Status.PASS
    assert of(decided(results(AR, base), results(DLM, far)), "non-inferiority").status is Status.FAIL


NOT_SHOWN = [
    ({"endpoint": None}, {}, "no-endpoint"),
    ({"endpoint": "http://127.0.0.1:39999/v1"}, {}, "other-endpoint"),
    ({"endpoint": "http://10.0.0.9:30001/v1"}, {}, "other-endpoint"),
    ({"model": "other"}, {}, "other-model"),
    ({}, {DLM: endpoint(DLM, reachable=False)}, "not-probed"),
    ({}, {DLM: endpoint(DLM, launched=True)}, "older"),
    ({"endpoint": "http://127.0.0.1:30000"}, {DLM: endpoint(DLM, endpoint="http://127.0.0.1:30000")}, "shared-address"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "endpoints", "doubt"), NOT_SHOWN)
def test_results_of_an_unknown_server_do_not_count_until_somebody_accepts_them(changes, endpoints, doubt):
    base, mode = results(AR, GOOD), results(DLM, GOOD, **changes)
    probed = {AR: endpoint(AR), DLM: endpoint(DLM), **endpoints}
    found = decided(base, mode, endpoints=probed)
    counted = of(found, "harness")
    assert (counted.status, counted.outcome) == (Status.INCONCLUSIVE, "unwitnessed")
    assert doubt in counted.data["doubts"]
    assert counted.remedy
    assert not of(found, "non-inferiority").counts
    accepted = decided(base, mode, endpoints=probed, accept_unwitnessed=True)
    assert of(accepted, "harness").outcome == "accepted"
    assert of(accepted, "non-inferiority").counts


RAN = {"ran_here": True, "endpoint": None}
COMMAND = {"results": None, "from": None, "reads": "csv"}
ELSEWHERE = {"ran_here": True, "endpoint": "http://127.0.0.1:30000/v1"}


def test_what_evalkit_ran_itself_needs_no_address_where_the_command_holds_it():
    found = decided(results(AR, GOOD, **RAN), results(DLM, GOOD, **RAN), **COMMAND, command=["x", "--url={endpoint}"])
    assert of(found, "harness").outcome == "ran-here"


@pytest.mark.parametrize(
    ("command", "changes", "doubt"),
    [(["x", "{endpoint}"], ELSEWHERE, "other-endpoint"), (["x", "{endpoint}"], {**RAN, "model": "other"}, "other-model"),
     (["x", "-c", "config.yaml"], RAN, "not-directed")],
)  # fmt: skip
def test_what_evalkit_ran_but_was_sent_elsewhere_does_not_count(command, changes, doubt):
    found = decided(results(AR, GOOD, ran_here=True), results(DLM, GOOD, **changes), **COMMAND, command=command)
    counted = of(found, "harness")
    assert (counted.outcome, counted.data["doubts"]) == ("unwitnessed", [doubt])
    assert not of(found, "non-inferiority").counts


@pytest.mark.parametrize(
    "changes",
    [{"settings": {"temperature": 1}}, {"cases": tuple(f"d{i}" for i in range(200))}, {"docs": ("x",) * 200},
     {"repeats": tuple([0, 1] * 100), "cases": tuple(f"c{i // 2}" for i in range(200))}],
)  # fmt: skip
def test_results_of_another_set_up_are_not_compared(changes):
    found = decided(results(AR, GOOD), results(DLM, GOOD, **changes))
    assert (of(found, "harness").status, of(found, "harness").outcome) == (Status.INCONCLUSIVE, "not-comparable")
    assert not [one for one in found if one.id == "quality.non-inferiority"]


def test_half_results_are_inconclusive_even_when_accepted():
    found = decided(
        results(AR, GOOD),
        results(DLM, GOOD, problems=("11 samples where the harness says 12",)),
        accept_unwitnessed=True,
    )
    assert (of(found, "harness").status, of(found, "harness").outcome) == (Status.INCONCLUSIVE, "not-whole")
    assert not of(found, "non-inferiority").counts


def test_errors_that_were_left_out_count_against_completeness():
    found = decided(results(AR, GOOD), results(DLM, [None] * 20 + GOOD[20:]))
    assert of(found, "scored").status in (Status.INCONCLUSIVE, Status.ERROR)


def test_a_baseline_that_passes_nothing_is_no_comparison():
    found = decided(results(AR, [0.0] * 200), results(DLM, [0.0] * 200))
    assert of(found, "baseline-valid").outcome == "passes-nothing"
    assert not [one for one in found if one.id == "quality.non-inferiority"]


@pytest.mark.parametrize("missing", [AR, DLM])
def test_one_side_alone_decides_nothing(missing):
    found = decided(None if missing == AR else results(AR, GOOD), None if missing == DLM else results(DLM, GOOD))
    assert any(one.status.open and one.counts for one in found)
    assert not any(one.id == "quality.non-inferiority" and one.status is Status.PASS for one in found)


def test_a_harness_that_failed_is_an_error_with_its_reason():
    ran = {"results": None, "from": None, "command": ["x"], "reads": "csv"}
    failed = results(DLM, []).model_copy(update={"task": "", "problems": ("ended with exit code 1",)})
    found = decided(results(AR, GOOD), failed, **ran)
    assert (of(found, "harness").status, of(found, "harness").outcome) == (Status.ERROR, "failed")
    assert "exit code 1" in of(found, "harness").summary  # the harness's own words, for whoever mends it


def test_the_incumbent_is_compared_where_its_results_are_there_and_else_not():
    better = decided(results(AR, GOOD), results(DLM, GOOD), incumbent=results("incumbent", [0.0] * 100 + GOOD[100:]))
    assert of(better, "incumbent").outcome == "better"
    unknown = decided(results(AR, GOOD), results(DLM, GOOD), incumbent=results("incumbent", GOOD, endpoint=None))
    assert of(unknown, "incumbent").outcome == "doubted"
    none = decided(results(AR, GOOD), results(DLM, GOOD))
    assert of(none, "incumbent").outcome == "not-configured"
