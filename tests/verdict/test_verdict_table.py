"""The verdict, case by case: each line of the rules, so that a change of any of them is noticed."""

from __future__ import annotations

import pytest

from evalkit.findings import ITEM_IDS, Status
from evalkit.verdict.decide import settle
from tests.verdict.verdict_cases import AR, DIFF, MODES, PER_MODE, SPEC, checklist, everything, finding, item


def result(decision, mode):
    return next(m for m in decision.modes if m.mode == mode)


@pytest.mark.parametrize("name", ["license", "hardware", "context"])
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (Status.PASS, "go"), (Status.WARN, "go"), (Status.NOT_APPLICABLE, "go"), (Status.WAIVED, "go"),
        (Status.FAIL, "no-go"), (Status.INCONCLUSIVE, "inconclusive"), (Status.ERROR, "inconclusive"),
        (Status.SKIPPED, "inconclusive"),
    ],
)  # fmt: skip
def test_a_required_candidate_item_decides(name, status, outcome):
    decision = settle(checklist(), everything({(name, None): status}))
    assert decision.verdict == outcome
    assert decision.exit_code == {"go": 0, "no-go": 1, "inconclusive": 3}[outcome]
    assert decision.strict is False
    assert result(decision, DIFF).qualified == "pass"  # what is about the candidate says nothing of its modes
    assert (decision.recommended_mode is None) == (outcome != "go")
    assert item(decision, name).status is status
    said = [reason for reason in decision.reasons if reason.startswith(f"{name} is")]
    assert said == ([] if outcome == "go" else [f"{name} is {status.value}: {name} {status.value}"])


@pytest.mark.parametrize("name", ["license", "hardware", "context"])
def test_an_item_that_is_not_required_never_decides(name):
    asked = checklist(items={name: {"required": False}})
    decision = settle(asked, everything({(name, None): Status.FAIL}))
    assert decision.verdict == "go"
    assert not item(decision, name).required
    assert decision.next_steps == ()


@pytest.mark.parametrize("name", PER_MODE)
@pytest.mark.parametrize("status", [Status.FAIL, Status.INCONCLUSIVE, Status.ERROR, Status.SKIPPED])
def test_a_mode_qualifies_only_with_every_required_item(name, status):
    decision = settle(checklist(), everything({(name, DIFF): status}))
    assert decision.verdict == "go"
    assert decision.recommended_mode == SPEC
    assert result(decision, DIFF).qualified == ("fail" if status is Status.FAIL else "inconclusive")
    word = "does not qualify" if status is Status.FAIL else "is not shown to qualify"
    assert f"{DIFF} {word}: {name}.x: {name} {status.value}" in decision.reasons
    assert item(decision, name).status is Status.PASS


@pytest.mark.parametrize("name", PER_MODE)
def test_a_per_mode_item_that_is_not_required_does_not_stop_a_mode(name):
    asked = checklist(items={name: {"required": False}})
    assert result(settle(asked, everything({(name, DIFF): Status.FAIL})), DIFF).qualified == "pass"


def test_every_adopted_mode_fails_is_no_go_and_plain_decoding_is_named():
    decision = settle(checklist(), everything({("quality", DIFF): Status.FAIL, ("modes", SPEC): Status.FAIL}))
    assert decision.verdict == "no-go"
    assert decision.recommended_mode is None
    assert decision.reasons == (
        f"{DIFF} does not qualify: quality.x: quality fail",
        f"{SPEC} does not qualify: modes.x: modes fail",
        f"Plain {AR} would pass.",
    )


def test_plain_decoding_that_fails_too_is_not_named():
    failed = {("quality", mode): Status.FAIL for mode in MODES}
    assert not any("would pass" in reason for reason in settle(checklist(), everything(failed)).reasons)


def test_one_mode_open_keeps_the_verdict_open():
    decision = settle(checklist(), everything({("quality", DIFF): Status.FAIL, ("modes", SPEC): Status.INCONCLUSIVE}))
    assert decision.verdict == "inconclusive"
    assert f"{SPEC} is not shown to qualify: modes.x: modes inconclusive" in decision.reasons
    assert not any("would pass" in reason for reason in decision.reasons)


def test_the_baseline_alone_leaves_nothing_to_adopt():
    decision = settle(checklist([AR]), everything(modes=[AR]))
    assert decision.verdict == "inconclusive"
    assert "No mode other than the baseline is configured: there is nothing to adopt." in decision.reasons
    assert not result(decision, AR).adopted


def test_the_baseline_can_be_adopted_by_name():
    decision = settle(checklist([AR], items={"modes": {"adopt": [AR]}}), everything(modes=[AR]))
    assert (decision.verdict, decision.recommended_mode) == ("go", AR)


def test_only_the_adopted_modes_count():
    asked = checklist(items={"modes": {"adopt": [DIFF]}})
    decision = settle(asked, everything({("quality", DIFF): Status.FAIL}))
    assert decision.verdict == "no-go"
    assert not result(decision, SPEC).adopted


def test_a_first_look_is_worth_a_full_run_or_a_no_go():
    first = checklist(profile="first-look")
    decision = settle(first, everything())
    assert decision.verdict == "inconclusive"
    assert decision.reasons[0].startswith("A first look never ends GO: diffusion is worth a full run")
    assert settle(first, everything({("license", None): Status.FAIL})).verdict == "no-go"
    blocked = settle(first, everything({("context", None): Status.ERROR}))
    assert not any("worth a full run" in reason for reason in blocked.reasons)
    failed = settle(first, everything({("license", None): Status.FAIL}))
    assert not any("worth a full run" in reason for reason in failed.reasons)


@pytest.mark.parametrize(
    ("speeds", "chosen"),
    [
        ({DIFF: 2.0, SPEC: 1.5}, DIFF),
        ({DIFF: 1.5, SPEC: 2.0}, SPEC),
        ({SPEC: 1.1}, SPEC),
        ({DIFF: None, SPEC: 0.5}, SPEC),
        ({DIFF: "fast", SPEC: 0.5}, SPEC),
        ({}, DIFF),
    ],
)
def test_the_fastest_mode_that_qualifies_is_recommended(speeds, chosen):
    assert settle(checklist(), everything(), speeds=speeds).recommended_mode == chosen


@pytest.mark.parametrize(("ratio", "chosen"), [(0.9, AR), (1.1, DIFF)])
def test_the_baseline_stands_at_one(ratio, chosen):
    asked = checklist(items={"modes": {"adopt": [AR, DIFF]}})
    assert settle(asked, everything(), speeds={DIFF: ratio}).recommended_mode == chosen


def test_a_mode_of_which_nothing_speaks_does_not_pass_by_findings_of_no_mode():
    findings = everything()
    for name in PER_MODE:
        findings[name] = [finding(name)]
    decision = settle(checklist(), findings)
    assert decision.verdict == "inconclusive"
    assert f"nothing was shown for {DIFF}" in result(decision, DIFF).reasons
    findings["serving"] = [
        finding("serving"),
        finding("serving", mode=DIFF),
    ]  # a sound server is worth nothing by itself
    assert settle(checklist(), findings).verdict == "inconclusive"
    findings["modes"] = [finding("modes"), finding("modes", mode=DIFF)]
    assert settle(checklist(), findings).recommended_mode == DIFF


def test_a_failing_mode_of_which_nothing_speaks_fails():
    findings = everything()
    for name in PER_MODE:
        findings[name] = [finding(name, Status.FAIL)]
    assert result(settle(checklist(), findings), DIFF).qualified == "fail"


def test_an_item_without_a_finding_for_a_mode_keeps_it_open():
    findings = everything()
    findings["quality"] = []
    decision = settle(checklist(), findings)
    assert decision.verdict == "inconclusive"
    assert "quality: nothing was measured" in result(decision, DIFF).reasons
    assert item(decision, "quality").summary == "nothing was collected"


def test_failures_stand_before_what_is_open():
    decision = settle(checklist(), everything({("modes", DIFF): Status.ERROR, ("quality", DIFF): Status.FAIL}))
    assert [reason.split(".")[0] for reason in result(decision, DIFF).reasons] == ["quality", "modes"]


def test_failures_stand_before_what_was_not_measured():
    findings = everything({("quality", DIFF): Status.FAIL})
    findings["serving"] = []
    assert result(settle(checklist(), findings), DIFF).reasons == (
        "quality.x: quality fail", "serving: nothing was measured",
    )  # fmt: skip


def test_a_candidate_item_that_speaks_of_a_mode_counts_for_that_mode_alone():
    findings = everything()
    findings["context"].append(finding("context", Status.FAIL, DIFF))
    decision = settle(checklist(), findings)
    assert decision.recommended_mode == SPEC
    assert result(decision, DIFF).qualified == "fail"
    assert result(decision, SPEC).qualified == "pass"
    assert item(decision, "context").status is Status.PASS


def test_what_does_not_count_never_decides():
    findings = everything()
    for name in ITEM_IDS:
        findings[name].append(finding(name, Status.FAIL, DIFF if name in PER_MODE else None, counts=False))
    decision = settle(checklist(), findings)
    assert decision.verdict == "go"
    assert result(decision, DIFF).qualified == "pass"
    assert decision.next_steps == ()


def test_a_required_incumbent_counts_for_every_mode_and_an_optional_one_for_none():
    findings = everything()
    findings["serving"].append(finding("serving", Status.ERROR, "incumbent"))
    for required, outcome in ((True, "inconclusive"), (False, "go")):
        asked = checklist(incumbent={"endpoint": "http://127.0.0.1:2", "required": required})
        assert settle(asked, findings).verdict == outcome


def test_an_incumbent_that_passes_lends_its_findings_and_no_others():
    findings = everything({("serving", DIFF): Status.FAIL})
    findings["serving"].append(finding("serving", Status.PASS, "incumbent"))
    findings["serving"].append(finding("serving", Status.FAIL, "incumbent", counts=False))
    findings["quality"].append(finding("quality", Status.PASS, SPEC, "incumbent"))
    asked = checklist(incumbent={"endpoint": "http://127.0.0.1:2", "required": True})
    decision = settle(asked, findings)
    assert (decision.verdict, decision.recommended_mode) == ("go", SPEC)
