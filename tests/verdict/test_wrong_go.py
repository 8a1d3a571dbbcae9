"""Ways to a GO that the evidence does not carry: each was open once."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.facts import RunEnd
from evalkit.findings import Status
from evalkit.items.serving import decide as serving
from evalkit.serving.facts import Afterwards, Identity
from evalkit.stored.changes import changes
from evalkit.stored.gate import distrust
from evalkit.verdict.decide import decide
from tests.support.quality_run import DECIDING, NOW
from tests.verdict.wrong_go_cases import AR, DIFF, GO, SELF, checklist, of, served


def waiver(finding: str, **more: Any) -> dict[str, Any]:
    return {"finding": finding, "reason": "known", "owner": "jd", "expires": date(2026, 12, 1), **more}


def test_the_constructed_run_is_a_go():
    assert decide(checklist(), GO, NOW).verdict == "go"


@pytest.mark.parametrize(
    ("path", "value", "looser"),
    [
        (("context", "need_tokens"), 16, True),  # absent: counted from what was sent
        (("context", "need_output_tokens"), 16, True),  # absent: the longest max_tokens
        (("quality", "incumbent_margin"), 0.5, True),  # absent: the suite's own margin
        (("quality", "incumbent_margin"), 0.01, False),
        (("quality", "margin", "chat"), 0.5, True),  # absent: margin.default
        (("quality", "margin", "chat"), 0.01, False),
        (("quality", "floor", "tools"), 0.0, True),  # absent: floor.default
        (("quality", "floor", "tools"), 0.9, False),
        (("modes", "latency", "e2e_p95_ms"), 100, False),  # absent: nothing is asked
        (("context", "limits", "need_rpm"), 100, False),
    ],
)
def test_a_value_where_a_default_stood_is_held_against_the_default(path, value, looser):
    new: Any = value
    for key in reversed(path):
        new = {key: new}
    found = changes(Checklist(), Checklist.model_validate({"items": new}))
    assert [change.looser for change in found] == [looser]


@pytest.mark.parametrize(
    "new", [{"min_tokens_per_forward": 1.1}, {"min_tokens_per_forward": None}, {"stats_file": None}]
)
def test_the_proof_that_a_drafter_is_loaded_cannot_be_dropped_at_the_gate(new):
    mode = {"endpoint": "http://127.0.0.1:1", "stats_file": "/tmp/x", "min_tokens_per_forward": 2.0}
    old, changed = (Checklist.model_validate({"modes": {SELF: m}}) for m in (mode, mode | new))
    assert [c.looser for c in changes(old, changed)] == [True]
    elsewhere = Checklist.model_validate({"modes": {SELF: mode | {"endpoint": "http://127.0.0.1:2"}}})
    assert changes(old, elsewhere) == []


def test_an_old_run_does_not_become_young_by_being_resumed():
    facts = GO.model_copy(update={"end": RunEnd(finished_at=(NOW + timedelta(days=90)).isoformat())})
    now = NOW + timedelta(days=90, minutes=1)
    found = distrust(facts, now, max_age=timedelta(days=30), revision=None, checklist=Checklist())
    assert [line for line in found if "days old" in line]


def test_waivers_alone_do_not_make_a_mode_qualify():
    asked = checklist(waivers=[waiver("modes.measured"), waiver("quality.scored")], modes={AR: {}, DIFF: {}})
    nothing = GO.model_copy(update={"timed": (), "answers": ()})
    decision = decide(asked, nothing, NOW)
    assert decision.verdict == "inconclusive"
    assert decision.recommended_mode is None


@pytest.mark.parametrize("how", [{"required": False}, {"not_applicable": {"reason": "looked at elsewhere"}}])
def test_a_go_rests_on_speed_or_on_answers(how):
    """Of a checklist that asks for neither, a sound server, a license and a card that fits adopt nothing."""
    items = {"modes": how, "quality": how}
    refused = decide(checklist(items), GO, NOW)
    assert refused.verdict == "inconclusive"
    assert f"nothing was shown for {DIFF}" in next(m for m in refused.modes if m.mode == DIFF).reasons
    for asked_for in items:
        one = items | {asked_for: DECIDING.items.of(asked_for).model_dump(mode="json", exclude_unset=True)}
        assert decide(checklist(one), GO, NOW).verdict == "go", asked_for


def test_a_waiver_of_one_open_critical_case_covers_no_other_one():
    suites = tuple(s.model_copy(update={"critical": ("c1", "c2")}) for s in GO.suites[:1])
    kept = []
    for a in GO.answers:
        if a.suite != "s-long" or (a.mode == DIFF and a.case_id == "c1"):
            continue  # c1: never asked
        if a.case_id in ("c1", "c2"):
            failing = a.mode == DIFF and a.case_id == "c2"
            unscored = a.mode == AR and a.case_id == "c2"
            passed = None if unscored else not failing
            kept.append(a.model_copy(update={"severity": "critical", "passed": passed}))
        else:
            kept.append(a)
    asked = checklist(
        {"quality": {"completeness": 0.9, "margin": {"long": 0.3}}}, waivers=[waiver("quality.critical", case="c1")]
    )
    facts = GO.model_copy(update={"answers": tuple(kept), "suites": suites})
    found = of([f for i in decide(asked, facts, NOW).items for f in i.findings], "quality.critical", DIFF)
    assert [f.status for f in found] == [Status.INCONCLUSIVE]


def test_a_required_incumbent_is_compared_whatever_else_is_required():
    incumbent = {"endpoint": "http://127.0.0.1:9", "required": True}
    for item in ({"required": False}, {"not_applicable": {"reason": "looked at elsewhere"}}):
        decision = decide(checklist({"quality": item}, incumbent=incumbent), GO, NOW)
        assert decision.verdict == "inconclusive", item


def test_a_mode_is_not_shown_against_a_baseline_that_decodes_otherwise():
    endpoints = {AR: served(AR, AR, DIFF), DIFF: served(DIFF, DIFF, DIFF), SELF: served(SELF, SELF, SELF)}
    facts = GO.model_copy(update={"endpoints": endpoints})
    found = serving.decide(checklist({"serving": {}}), facts, NOW)
    assert Status.FAIL in {f.status for f in of(found, "serving.mode", AR)}
    assert Status.INCONCLUSIVE in {f.status for f in of(found, "serving.mode", DIFF)}
    assert decide(checklist({"serving": {}}), facts, NOW).verdict != "go"


def test_a_process_shared_with_the_baseline_is_told_of_the_mode_in_any_order():
    modes = {DIFF: {"endpoint": "http://127.0.0.1:1"}, AR: {"endpoint": "http://127.0.0.1:2"}}
    endpoints = {label: served(label, label).model_copy(update={"process": "one"}) for label in modes}
    found = serving.decide(checklist({"serving": {}}, modes=modes), GO.model_copy(update={"endpoints": endpoints}), NOW)
    assert [f.status for f in of(found, "serving.distinct-processes", DIFF)] == [Status.FAIL]


def test_a_run_resumed_on_another_server_is_evidence_of_two():
    def seen(**more: Any) -> Afterwards:
        who = Identity(reachable=True, engine="sglang", model_path="org/model", **more)
        return Afterwards(mode=DIFF, before=who, after=who)

    asked = checklist({"serving": {}})
    endpoints = {m: served(m, m) for m in (AR, DIFF, SELF)}

    def status(*sessions: Afterwards) -> list[Status]:
        facts = GO.model_copy(update={"endpoints": endpoints, "afterwards": sessions})
        return [f.status for f in of(serving.decide(asked, facts, NOW), "serving.unchanged", DIFF)]

    bf16, fp8 = {"settings": {"quantization": None}}, {"settings": {"quantization": "fp8"}}
    assert status(seen(process="a", **bf16), seen(process="b", **bf16)) == [Status.PASS]  # restarted between sessions
    assert status(seen(process="a", **bf16), seen(process="b", **fp8)) == [Status.INCONCLUSIVE]
