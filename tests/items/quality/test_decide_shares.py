from __future__ import annotations

import pytest

from evalkit.analysis.suites import summarise
from evalkit.client.types import ExchangeError
from evalkit.facts import Facts
from evalkit.findings import Status
from evalkit.hub.facts import CandidateFacts
from evalkit.items.quality.decide import decide
from evalkit.quality.facts import Grade, Signals
from tests.items.quality.decide_cases import AR, DLM, SPEC, both, checklist, found, one, outcome, run, status, suite
from tests.support.start import NOW, START


def placed(by_third, answers, mode):
    grade = Grade(grader="sections", passed=True, detail={"by_third": by_third})
    return [a.model_copy(update={"grades": (grade,)}) if a.mode == mode else a for a in answers]


@pytest.mark.parametrize(
    ("mode_thirds", "wanted"),
    [
        ([1.0, 1.0, 1.0], "even"),
        ([1.0, 1.0, 0.97], "grows"),
        ([1.0, 0.9, 0.7], "end-lost"),
        ([0.97, 0.97, 0.97], "even"),
    ],
)
def test_quality_is_told_by_position_beside_the_baselines(mode_thirds, wanted):
    of = suite(130, kind="long")
    answers = placed([1.0, 1.0, 1.0], both(of), AR)
    noisy = [
        placed([max(0.0, t - (int(a.case_id) % 3 - 1) * 0.01 * (t < 1)) for t in mode_thirds], [a], DLM)[0]
        for a in answers
    ]
    (finding,) = found(run(noisy, of), "by-position")
    assert finding.outcome == wanted, finding.summary
    assert finding.data["by_third"] == pytest.approx(mode_thirds, abs=0.002)
    assert found(run(both(of), of), "by-position") == []


def test_open_brackets_and_fences_are_counted_and_do_not_block():
    of = suite(130, kind="long")
    answers = [
        a.model_copy(update={"signals": Signals(unclosed=("code fence",))}) if a.mode == DLM else a for a in both(of)
    ]
    (finding,) = found(run(answers, of), "degeneration")
    assert (finding.status, finding.outcome) == (Status.WARN, "more")
    assert (finding.data["mode_counts"]["unclosed"], finding.data["baseline_counts"]["unclosed"]) == (130, 0)


def test_a_baseline_that_left_cases_out_is_no_easier_to_equal():
    of, boom = suite(200), ExchangeError(kind="http", message="x", status=500)
    answers = [
        one(AR, i, error=boom) if a.mode == AR and (i := int(a.case_id)) < 12 and not a.repeat else a
        for a in both(of, lost=range(12))
    ]
    (finding,) = found(run(answers, of), "non-inferiority")
    assert (finding.status, finding.outcome, finding.data["one_sided"]) == (Status.INCONCLUSIVE, "one-sided", 12)


def test_an_incumbent_that_answered_a_part_is_not_compared():
    asked = {"incumbent": {"endpoint": "http://127.0.0.1:1", "required": True}}
    theirs = [one("incumbent", i) for i in range(90)]
    (finding,) = found(run(both(suite()) + theirs, suite(), asked=asked), "incumbent")
    assert (finding.status, finding.outcome) == (Status.INCONCLUSIVE, "too-few-pairs")
    assert (finding.data["pairs"], finding.data["cases"]) == (90, 130)


@pytest.mark.parametrize(("margin", "wanted"), [(0.2, Status.PASS), (0.03, Status.FAIL)])
def test_the_incumbent_has_a_margin_of_its_own(margin, wanted):
    asked = {"incumbent": {"endpoint": "http://127.0.0.1:1", "required": True}}
    theirs = [one("incumbent", i) for i in range(130)]
    found_ = run(both(suite(), lost=range(14)) + theirs, suite(), asked=asked, items={"incumbent_margin": margin})
    (finding,) = found(found_, "incumbent")
    assert finding.status is wanted, finding.summary


def called(a, outcome, *, asked=("f",), got=("f",), right=True):
    detail = {"schema_valid": outcome == "call", "right_function": list(asked) == list(got), "right_arguments": right,
              "asked": list(asked), "called": list(got), "outcome": outcome}  # fmt: skip
    grade = Grade(grader="tool_calls", passed=right, detail=detail)
    return a.model_copy(update={"tool_outcome": outcome, "wants_call": True, "grades": (grade,)})


def test_what_became_of_requests_with_tools_is_told_apart_and_beside_the_baseline():
    of = suite(130, kind="tools")
    answers = []
    for a in both(of):
        i = int(a.case_id)
        if a.mode == DLM and i < 6:
            answers.append(called(a, "malformed", got=(), right=False))
        elif a.mode == DLM and i < 10:
            answers.append(called(a, "call", got=("g",), right=False))
        elif i >= 100:
            none = Grade(grader="no_tool_call", passed=True)
            answers.append(a.model_copy(update={"tool_outcome": "text", "grades": (none,)}))
        else:
            answers.append(called(a, "call"))
    (finding,) = found(run(answers, of), "tool-outcomes")
    names = ("call", "text", "malformed", "truncated")
    assert [finding.data[name] for name in names] == [94, 30, 6, 0]
    assert [finding.data["baseline"][name] for name in names] == [100, 30, 0, 0]
    right = ("asked", "schema_valid", "right_function", "none_wanted", "abstained")
    assert [finding.data[name] for name in right] == [100, 94, 90, 30, 30]
    assert finding.data["confused"] == [
        {"asked": "f", "got": "malformed", "times": 6},
        {"asked": "f", "got": "g", "times": 4},
    ]
    assert (finding.status, finding.outcome, finding.counts) == (Status.WARN, "more-malformed", False)


def test_a_case_that_passes_now_and_then_is_told_from_one_that_always_does():
    of = suite(80, repeats=3)
    answers = [one(m, i, r != 2 or i >= 8, of=of, repeat=r) for m in (AR, DLM) for i in range(80) for r in range(3)]
    (finding,) = found(run(answers, of), "floor")
    assert (finding.data["pass_every_repeat"], finding.data["flaky_cases"]) == (72, 8)
    assert finding.data["flaky"] == [str(i) for i in range(8)]


def test_a_small_suite_that_loses_is_not_carried_by_a_shipped_one_that_does_not():
    own = suite(20, name="own", shipped=False)
    for lost, wanted in ((1, "too-small-and-losing"), (0, "carried")):
        findings = run(both(suite()) + both(own, lost=range(lost)), suite(), own)
        by_suite = {f.data["suite"]: f for f in found(findings, "non-inferiority")}
        assert by_suite["s"].outcome == "shown"
        assert by_suite["own"].outcome == wanted
        assert by_suite["own"].data["too_small"]


@pytest.mark.parametrize(
    ("passing", "of", "wanted"),
    [(100, 100, "met"), (62, 100, "met"), (55, 100, "undecided"), (45, 100, "undecided"), (38, 100, "below"),
     (10, 10, "met"), (6, 10, "undecided"), (0, 10, "below")],
)  # fmt: skip
def test_a_floor_is_decided_by_the_interval_of_the_share_not_by_its_estimate(passing, of, wanted):
    (finding,) = found(run(both(suite(of), lost=range(passing, of)), suite(of)), "floor")
    assert finding.outcome == wanted, finding.summary
    assert finding.data["low"] <= passing / of <= finding.data["high"]
    assert finding.outcome != "undecided" or finding.data["cases_that_would_decide"] > of


@pytest.mark.parametrize("modes", [1, 2])
def test_several_modes_that_may_be_adopted_divide_the_error(modes):
    asked = {"items": {"modes": {"adopt": [DLM, SPEC][:modes]}}}
    given = checklist(**asked)
    findings = decide(given, Facts(start=START, suites=(suite(110),), answers=tuple(both(suite(110)))), NOW)
    assert status(findings, "non-inferiority") == [Status.PASS if modes == 1 else Status.INCONCLUSIVE]
    (finding,) = found(findings, "non-inferiority")
    assert finding.data["least_cases"] == {1: 101, 2: 125}[modes]


@pytest.mark.parametrize(("theirs", "mine"), [(0, 0), (0, 130), (130, 0), (40, 40)])
def test_nothing_is_compared_with_a_model_that_passes_nothing_and_no_worse_needs_two_valid_ones(theirs, mine):
    asked = {"incumbent": {"endpoint": "http://127.0.0.1:1", "required": True}}
    answers = both(suite(), lost=range(mine, 130)) + [one("incumbent", i, i < theirs) for i in range(130)]
    (finding,) = found(run(answers, suite(), asked=asked), "incumbent")
    assert finding.status is Status.INCONCLUSIVE
    assert finding.outcome == ("passes-nothing" if 0 in (theirs, mine) else "below-floor")


def test_better_than_a_poor_incumbent_is_better():
    asked = {"incumbent": {"endpoint": "http://127.0.0.1:1", "required": True}}
    (finding,) = found(
        run(both(suite()) + [one("incumbent", i, i < 40) for i in range(130)], suite(), asked=asked), "incumbent"
    )
    assert (finding.status, finding.outcome) == (Status.PASS, "better")


def test_a_baseline_that_passes_nothing_is_no_baseline_whatever_the_floor_is():
    answers = both(suite(), gained=range(130))
    findings = run(answers, suite(), items={"floor": {"default": 0.0}})
    assert outcome(findings, "baseline-valid") == ["passes-nothing"]
    assert status(findings, "non-inferiority") == []


def test_every_undecided_loss_states_its_bound():
    for lost in (range(3), range(6)):
        (finding,) = found(run(both(suite(), lost=lost), suite()), "non-inferiority")
        assert finding.status is Status.INCONCLUSIVE
        bound = finding.data["loses_at_most"]
        assert bound == -finding.data["low"] > 0.03
        assert -1e-9 <= finding.data["at_most"] - bound <= 0.001


def test_the_summary_the_list_of_regressions_and_the_finding_count_the_same_cases():
    """max_repetition over the baseline's reply is a loss wherever losses are counted; flaky cases are none."""
    from evalkit.report.document.quality import harmed
    from evalkit.report.document.quality import quality as section

    of = suite(130, repeats=3)

    def rep(a, rep4):
        grade = Grade(grader="max_repetition", passed=None, counts=False, detail={"rep4": rep4, "over_baseline": 0.2})
        return a.model_copy(update={"grades": (*a.grades, grade)})

    answers = []
    for i in range(130):
        for r in range(3):
            flaky = i < 20 and r != 1
            answers.append(rep(one(AR, i, not (i < 20 and r == 1), of=of, repeat=r), 0.1))
            answers.append(rep(one(DLM, i, flaky or i >= 20, of=of, repeat=r), 0.6 if 30 <= i < 35 else 0.1))
    facts = Facts(start=START, suites=(of,), answers=tuple(answers))
    (harm,) = found(decide(checklist(), facts, NOW), "harm")
    rows = {row.mode: row for row in summarise(facts, checklist())}
    listed = harmed(checklist(), facts)
    assert harm.data["harmed"] == len(rows[DLM].harmed) == len(listed) == 5
    assert {answer.case_id for _, answer in listed} == {str(i) for i in range(30, 35)}
    document = section(checklist(), facts, redact_prompts=False)
    assert document["harms_total"] == 5
    assert {tuple(one["graders"]) for one in document["harms"]} == {("max_repetition",)}


@pytest.mark.parametrize(
    ("sees", "with_images", "scored", "outcome"),
    [
        (False, False, True, None),
        (True, False, True, "none"),
        (True, True, False, "not-scored"),
        (True, True, True, "scored"),
    ],
)
def test_a_model_that_takes_images_is_open_until_some_are_scored(sees, with_images, scored, outcome):
    of = suite(30).model_copy(update={"image_cases": ("3", "4") if with_images else ()})
    refused = None if scored else ExchangeError(kind="http", message="no images", status=400)
    answers = [one(DLM, i, of=of, error=refused if i in (3, 4) else None) for i in range(30)]
    model = CandidateFacts(model="a/b", config={"vision_config": {"patch_size": 14}} if sees else {})
    facts = Facts(start=START, suites=(of,), answers=tuple(answers), candidates=(model,))
    found_here = found(decide(checklist(), facts, NOW), "images")
    assert [f.outcome for f in found_here] == ([outcome] if outcome else [])
    if outcome:
        assert (found_here[0].status is Status.PASS) is (outcome == "scored")
        assert found_here[0].counts


def test_a_card_says_that_a_model_takes_images():
    assert CandidateFacts(model="a/b", pipeline_tag="image-text-to-text").sees
    assert not CandidateFacts(model="a/b", pipeline_tag="text-generation").sees
