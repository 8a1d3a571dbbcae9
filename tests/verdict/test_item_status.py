from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from evalkit.facts import CollectError, Facts, SkippedItem
from evalkit.findings import ITEM_IDS, Finding, Status
from evalkit.hub.facts import CandidateFacts
from evalkit.items.registry import ITEMS
from evalkit.verdict.decide import counted, decide, gather, settle
from tests.support.start import NOW, START
from tests.verdict.verdict_cases import AR, DIFF, SPEC, checklist, everything, finding, item

FACTS = Facts(start=START)


def test_counted_findings_of_a_mode_are_its_own_and_those_of_no_mode():
    findings = [
        finding("modes"),
        finding("modes", mode=AR),
        finding("modes", mode=DIFF),
        finding("modes", counts=False),
    ]
    assert counted(findings) == [findings[0]]
    assert counted(findings, AR) == findings[:2]


@pytest.mark.parametrize(
    ("diff", "spec", "shown"),
    [
        (Status.FAIL, Status.WARN, Status.WARN),
        (Status.FAIL, Status.INCONCLUSIVE, Status.INCONCLUSIVE),
        (Status.PASS, Status.INCONCLUSIVE, Status.PASS),
        (Status.FAIL, Status.FAIL, Status.FAIL),
        (Status.INCONCLUSIVE, Status.ERROR, Status.ERROR),
    ],
)
def test_a_per_mode_item_without_a_recommended_mode_shows_three_way_any(diff, spec, shown):
    changes = {
        ("quality", DIFF): diff,
        ("quality", SPEC): spec,
        ("modes", DIFF): Status.FAIL,
        ("modes", SPEC): Status.FAIL,
    }
    assert item(settle(checklist(), everything(changes)), "quality").status is shown


def test_a_per_mode_item_shows_the_recommended_mode_and_its_sentence():
    changes = {("quality", DIFF): Status.WARN, ("quality", SPEC): Status.FAIL}
    decision = settle(checklist(), everything(changes))
    shown = item(decision, "quality")
    assert (shown.status, shown.summary) == (Status.WARN, "diffusion: quality warn")
    assert len(shown.findings) == 3


def test_a_warning_of_another_mode_does_not_show_beside_the_recommended_one():
    decision = settle(checklist(), everything({("quality", DIFF): Status.WARN}), speeds={SPEC: 2.0})
    assert decision.recommended_mode == SPEC
    assert item(decision, "quality").status is Status.PASS


def test_a_candidate_item_shows_what_is_said_of_the_candidate():
    findings = everything()
    findings["context"] += [finding("context", Status.FAIL, DIFF), finding("context", Status.FAIL, SPEC)]
    decision = settle(checklist(), findings)
    assert decision.verdict == "no-go"
    assert item(decision, "context").status is Status.PASS


@pytest.mark.parametrize(
    ("found", "status"), [(Status.WARN, Status.INCONCLUSIVE), (Status.ERROR, Status.ERROR), (Status.FAIL, Status.FAIL)]
)
def test_without_adopted_modes_nothing_that_holds_for_the_candidate_alone_carries_an_item(found, status):
    findings = everything(modes=[AR])
    findings["serving"].append(finding("serving", found))
    assert item(settle(checklist([AR]), findings), "serving").status is status


def test_a_sentence_that_names_its_mode_is_not_told_the_mode_again():
    findings = everything()
    findings["quality"] = [
        finding("quality"), Finding(id="quality.x", item="quality", status=Status.PASS, summary=f"{DIFF}: fine", mode=DIFF)
    ]  # fmt: skip
    assert item(settle(checklist([AR, DIFF]), findings), "quality").summary == f"{DIFF}: fine"


def test_the_sentence_of_an_item_is_of_the_finding_that_made_its_status():
    def said(mode, status, text, **more):
        return Finding(id="quality.x", item="quality", status=status, summary=text, mode=mode, **more)

    findings = everything()
    findings["quality"] = [
        said(AR, Status.PASS, "of the baseline"), said(SPEC, Status.WARN, "of the other"),
        said(DIFF, Status.PASS, "of another status"), said(None, Status.WARN, "of no mode"),
        said(DIFF, Status.WARN, "uncounted", counts=False), said(DIFF, Status.WARN, "right"),
        said(DIFF, Status.WARN, "later"),
    ]  # fmt: skip
    decision = settle(checklist(), findings, speeds={DIFF: 2.0})
    assert item(decision, "quality").summary == "diffusion: right"
    findings["quality"] = [said(None, Status.PASS, "of all"), said(AR, Status.PASS, "x"), said(DIFF, Status.FAIL, "bad"),
                           said(SPEC, Status.FAIL, "bad too")]  # fmt: skip
    assert item(settle(checklist(), findings), "quality").summary == "diffusion: bad"
    findings["quality"].insert(0, said(AR, Status.FAIL, "of the baseline, which is not to be adopted"))
    assert item(settle(checklist(), findings), "quality").summary == "diffusion: bad"


def test_the_sentence_of_an_open_item_is_of_a_mode_that_is_open_not_of_one_that_failed():
    findings = everything({("modes", DIFF): Status.INCONCLUSIVE, ("modes", SPEC): Status.INCONCLUSIVE,
                           ("quality", DIFF): Status.FAIL})  # fmt: skip
    assert item(settle(checklist(), findings), "modes").summary == f"{SPEC}: modes inconclusive"


def test_of_an_open_verdict_the_reasons_begin_with_the_mode_that_is_open():
    decision = settle(checklist(), everything({("quality", DIFF): Status.FAIL, ("modes", SPEC): Status.INCONCLUSIVE}))
    assert decision.reasons == (
        f"{SPEC} is not shown to qualify: modes.x: modes inconclusive",
        f"{DIFF} does not qualify: quality.x: quality fail",
    )


def test_next_steps_are_the_remedies_of_what_is_open_or_failed_each_once():
    findings = everything()
    findings["license"] = [
        finding("license", status, name=name, remedy=remedy, counts=counts)
        for status, name, remedy, counts in (
            (Status.FAIL, "a", "read it", True), (Status.FAIL, "a", "read it", True), (Status.ERROR, "b", "ask", True),
            (Status.WARN, "c", "look", True), (Status.PASS, "d", "nothing", True), (Status.FAIL, "e", None, True),
            (Status.FAIL, "f", "not this", False),
        )
    ]  # fmt: skip
    findings["modes"][1] = finding("modes", Status.INCONCLUSIVE, DIFF, remedy="more prompts")
    assert settle(checklist(), findings).next_steps == (
        "Read it (license.a)", "Ask (license.b)", f"More prompts (modes.x for {DIFF})",
    )  # fmt: skip


def compared(outcome, mode=DIFF):
    return finding("quality", Status.PASS, mode, "incumbent", counts=False, outcome=outcome)


def test_without_an_incumbent_nothing_is_compared():
    findings = everything()
    findings["quality"].append(compared("better"))
    assert settle(checklist(), findings).incumbent == "NOT COMPARED: no incumbent is configured"


def test_the_incumbent_is_compared_with_the_recommended_mode_else_with_the_first_that_was():
    asked = checklist(incumbent={"endpoint": "http://127.0.0.1:2", "required": False})
    findings = everything()
    findings["quality"] += [compared("within-margin", DIFF), compared("better", SPEC)]
    assert settle(asked, findings, speeds={SPEC: 2.0}).incumbent == f"better: {SPEC}, quality pass"
    assert settle(asked, findings, speeds={DIFF: 2.0}).incumbent == f"worse: {DIFF}, quality pass"
    for mode in (DIFF, SPEC):
        findings["modes"].append(finding("modes", Status.FAIL, mode))
    assert settle(asked, findings).incumbent == f"worse: {DIFF}, quality pass"
    findings["quality"] = [f for f in findings["quality"] if f.mode != DIFF]
    assert settle(asked, findings).incumbent == f"better: {SPEC}, quality pass"
    findings["quality"] = [compared("undecided", SPEC)]
    assert settle(asked, findings).incumbent == f"NOT COMPARED: {SPEC}, quality pass"
    findings["quality"] = [compared("better", AR)]
    assert settle(asked, findings).incumbent == "NOT COMPARED: no mode was compared with it"


def test_an_item_declared_not_applicable_is_not_asked():
    asked = checklist(items={"hardware": {"not_applicable": {"reason": "hosted by others"}}})
    (found,) = gather("hardware", asked, FACTS, NOW)
    assert (found.id, found.status) == ("hardware.not-applicable", Status.NOT_APPLICABLE)
    assert "hosted by others" in found.summary


def test_a_skipped_item_says_why_and_how_to_ask_it():
    facts = FACTS.model_copy(
        update={"skipped": (SkippedItem(item="quality", reason="later"), SkippedItem(item="context", reason="never"))}
    )
    (found,) = gather("context", checklist(), facts, NOW)
    assert (found.id, found.status, found.summary) == ("context.skipped", Status.SKIPPED, "never")
    assert "context" in found.remedy


def test_what_could_not_be_collected_is_an_error_of_its_item():
    errors = (
        CollectError(item="quality", summary="no judge", mode=DIFF, remedy="set the key"),
        CollectError(item="quality", summary="gone"),
        CollectError(item="serving", summary="other"),
    )
    found = gather("quality", checklist(), FACTS.model_copy(update={"errors": errors}), NOW)
    mine = [f for f in found if f.id == "quality.collected"]
    assert [(f.status, f.summary, f.mode) for f in mine] == [
        (Status.ERROR, "no judge", DIFF),
        (Status.ERROR, "gone", None),
    ]
    assert mine[0].remedy == "set the key"
    assert "run again" in mine[1].remedy


@pytest.fixture
def told(monkeypatch):
    """Findings in place of what the items would say."""
    findings = everything()
    for name in ITEM_IDS:
        deciding = replace(ITEMS[name], decide=lambda *_, name=name: list(findings[name]))
        monkeypatch.setitem(ITEMS, name, deciding)
    return findings


def test_the_speed_of_a_mode_is_its_own_speedup_and_nothing_elses(told):
    told["modes"] += [
        finding("modes", Status.PASS, DIFF, "speedup", data={"ratio": 1.5}),
        finding("modes", Status.PASS, SPEC, "speedup", data={"ratio": 2.0}),
        finding("modes", Status.PASS, SPEC, "levels", data={"ratio": 0.1}),
        finding("modes", Status.PASS, DIFF, "levels", data={"ratio": 9.0}),
        finding("modes", Status.PASS, None, "speedup", data={"ratio": 9.0}),
    ]
    assert decide(checklist(), FACTS, NOW).recommended_mode == SPEC


@pytest.mark.parametrize(
    ("revision", "outcome"), [("a" * 40, "go"), ("b" * 40, "inconclusive"), (None, "inconclusive")]
)
def test_a_waiver_of_a_commit_holds_for_that_commit(told, revision, outcome):
    told["context"] = [finding("context", Status.INCONCLUSIVE)]
    waiver = {
        "finding": "context.x",
        "reason": "short prompts",
        "owner": "jd",
        "expires": date(2026, 12, 31),
        "revision": "a" * 40,
    }
    candidates = () if revision is None else (CandidateFacts(model="a/b", role="candidate", revision=revision),)
    facts = FACTS.model_copy(update={"candidates": candidates})
    assert decide(checklist(waivers=[waiver]), facts, NOW).verdict == outcome


def test_strict_turns_a_warning_into_a_failure_and_nothing_else():
    asked = checklist(items={"hardware": {"declared": "H100-80GB"}})
    plain, strict = decide(asked, FACTS, NOW), decide(asked, FACTS, NOW, strict=True)
    assert (plain.strict, strict.strict) == (False, True)
    before = [f for i in plain.items for f in i.findings]
    after = [f for i in strict.items for f in i.findings]
    assert any(f.status is Status.WARN for f in before)
    for old, new in zip(before, after, strict=True):
        assert new.status is (Status.FAIL if old.status is Status.WARN else old.status)


def test_no_facts_at_all_are_never_a_go():
    decision = decide(checklist(), FACTS, NOW)
    assert decision.verdict != "go"
    assert decision.recommended_mode is None
    assert decision.next_steps
