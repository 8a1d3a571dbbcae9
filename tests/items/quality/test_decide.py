"""Item quality: each fault is named, and what was not shown is no pass."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evalkit.analysis.suites import summarise
from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange, ExchangeError, ToolCall
from evalkit.facts import Facts, RunStart
from evalkit.findings import Status
from evalkit.items.quality.decide import CHECKS, decide
from evalkit.quality.facts import Answer, Divergence, Grade, Signals, SuiteFacts
from evalkit.serving.facts import EndpointFacts

NOW = datetime(2026, 11, 24, tzinfo=UTC)
START = RunStart(
    run_id="r", started_at="2026-11-24T00:00:00Z", evalkit_version="0", plan_sha256="", checklist_sha256=""
)
AR, SPEC, DLM = "autoregressive", "self-speculation", "diffusion"


def checklist(**more):
    return Checklist.model_validate({"modes": {AR: {}, DLM: {}, SPEC: {}}, **more})


def suite(n=130, *, name="s", kind="chat", shipped=True, critical=(), repeats=1):
    return SuiteFacts(
        name=name, kind=kind, path="p", sha256="0", cases=n, shipped=shipped, critical=tuple(critical), repeats=repeats
    )


def one(mode, case, passed=True, *, text=None, of=None, repeat=0, **more):
    of = of or suite()
    text = text if text is not None else f"reply {case}"
    error = more.pop("error", None)
    reply = Exchange(
        ok=error is None,
        text=text,
        error=error,
        finish_reason="stop",
        completion_tokens=more.pop("tokens", 20),
        tool_calls=more.pop("calls", ()),
    )
    return Answer(
        mode=mode, suite=of.name, kind=of.kind, case_id=str(case), repeat=repeat, request_sha256=f"asks {case}", exchange=reply,
        passed=None if error else passed, reply_sha256=text, signals=None if error else more.pop("signals", Signals()),
        severity="critical" if str(case) in of.critical else "normal", grades=(Grade(grader="g", passed=passed, reason="wrong"),), **more,
    )  # fmt: skip


def both(of, lost=(), gained=(), mode=DLM, noise=(), **more):
    """Baseline passes all but `gained`; the mode all but `lost`. The baseline answers twice."""
    found = []
    for i in range(of.cases):
        found += [
            one(AR, i, i not in gained, of=of),
            one(AR, i, i not in gained, of=of, repeat=1, text="other" if i in noise else None),
        ]
        found.append(one(mode, i, i not in lost, of=of, text=f"bad {i}" if i in lost else None, **more))
    return found


def found(findings, check, mode=DLM):
    return [f for f in findings if f.id == f"quality.{check}" and f.mode == mode]


def status(findings, check, mode=DLM):
    return [f.status for f in found(findings, check, mode)]


def run(answers, *suites, items=None, **facts):
    asked = checklist(items={"quality": items or {}}, **facts.pop("asked", {}))
    return decide(asked, Facts(start=START, suites=suites, answers=tuple(answers), **facts), NOW)


def test_no_loss_on_enough_cases_passes_with_figures():
    findings = run(both(suite()), suite())
    (finding,) = found(findings, "non-inferiority")
    assert finding.status is Status.PASS
    assert "130 cases" in finding.summary
    assert finding.data["low"] > -0.03
    assert status(findings, "harm") == [Status.PASS]


def test_a_mode_that_loses_a_fifth_fails_and_its_cases_are_listed_side_by_side():
    findings = run(both(suite(), lost=range(24)), suite())
    assert status(findings, "non-inferiority") == [Status.FAIL]
    (harm,) = found(findings, "harm")
    assert harm.status is Status.WARN
    assert harm.data["harmed"] == 24
    assert harm.data["cases_harmed"][0]["mode_reply"] == "bad 0"
    assert harm.data["cases_harmed"][0]["baseline_reply"] == "reply 0"


def test_a_loss_that_is_neither_shown_nor_excluded_is_inconclusive_and_says_how_many_cases_would_decide():
    (finding,) = found(run(both(suite(), lost=[1, 2, 3]), suite()), "non-inferiority")
    assert finding.status is Status.INCONCLUSIVE
    assert finding.data["cases_that_would_decide"] > 120
    assert str(finding.data["cases_that_would_decide"]) in finding.remedy


def test_nothing_collected_is_never_a_pass():
    for findings in (run([]), run([], suite()), run(both(suite())[:1], suite())):
        passed = [
            f
            for f in findings
            if f.mode in (DLM, SPEC) and f.status is Status.PASS and f.id == "quality.non-inferiority"
        ]
        assert not passed
        for mode in (DLM, SPEC):
            assert any(f.status.open for f in findings if f.mode == mode)
    assert status(run([]), "own-tasks", None) == [Status.INCONCLUSIVE]


def test_every_finding_that_is_open_or_failed_says_what_to_do():
    answers = both(suite(), lost=range(60)) + both(suite(10, name="t", shipped=False), lost=[1])
    for finding in run(answers, suite(), suite(10, name="t", shipped=False)):
        assert finding.remedy or finding.status in (Status.PASS, Status.NOT_APPLICABLE), finding
        assert finding.id in {check.id for check in CHECKS}


def test_a_baseline_below_its_own_floor_is_no_baseline():
    answers = [one(m, i, i % 4 == 0, repeat=r) for i in range(130) for m, r in ((AR, 0), (AR, 1), (DLM, 0))]
    findings = run(answers, suite())
    assert status(findings, "baseline-valid") == [Status.INCONCLUSIVE]
    assert status(findings, "non-inferiority") == []
    assert status(findings, "floor") == [Status.FAIL]


def test_a_baseline_that_runs_the_block_loop_is_no_quality_baseline():
    loop = EndpointFacts(label=AR, endpoint="http://x", reachable=True, block_loop=True)
    assert status(run(both(suite()), suite(), endpoints={AR: loop}), "baseline-valid") == [Status.INCONCLUSIVE]


def test_a_small_suite_of_ones_own_is_carried_by_a_shipped_one_and_says_what_it_could_have_seen():
    own = suite(30, name="own", shipped=False)
    findings = run(both(suite()) + both(own), suite(), own)
    by_suite = {f.data["suite"]: f for f in found(findings, "non-inferiority")}
    assert by_suite["own"].status is Status.WARN
    assert by_suite["own"].data["loses_at_most"] == pytest.approx(0.117, abs=0.001)
    assert "loses at most 11.8 points" in by_suite["own"].summary
    assert {f.data["suite"]: f.status for f in found(run(both(own), own), "non-inferiority")} == {
        "own": Status.INCONCLUSIVE
    }
    losing = run(both(suite()) + both(own, lost=[1, 2]), suite(), own)
    assert {f.data["suite"]: f.status for f in found(losing, "non-inferiority")}["own"] is Status.INCONCLUSIVE


def test_a_lost_critical_case_fails_whatever_the_share_says():
    of = suite(400, critical=["7"])
    findings = run(both(of, lost=[7]), of)
    (loss,) = found(findings, "non-inferiority")
    assert loss.status is Status.PASS
    assert "every case that differs is a loss" in loss.summary
    assert status(findings, "critical") == [Status.FAIL]
    assert status(run(both(of), of), "critical") == [Status.PASS]
    unasked = [a for a in both(of) if a.case_id != "7"]
    assert status(run(unasked, of), "critical") == [Status.INCONCLUSIVE]


def test_errors_count_against_completeness_and_never_as_wrong():
    boom = ExchangeError(kind="timeout", message="no reply within 60 s")
    answers = [a for a in both(suite()) if a.mode == AR] + [
        one(DLM, i, error=boom if i < 12 else None) for i in range(130)
    ]
    findings = run(answers, suite())
    (finding,) = found(findings, "scored")
    assert finding.status is Status.ERROR
    assert "12 × timeout" in finding.summary
    assert status(findings, "floor") == [Status.PASS]


def test_a_pass_that_holds_only_without_the_unscored_cases_is_no_pass():
    boom = ExchangeError(kind="http", message="x", status=500)
    of = suite(130)
    answers = [a for a in both(of) if a.mode == AR] + [one(DLM, i, error=boom if i < 2 else None) for i in range(130)]
    assert status(run(answers, of), "scored") == [Status.PASS]
    (finding,) = found(run(answers, of), "non-inferiority")
    assert finding.status is Status.INCONCLUSIVE
    assert "unscored" in finding.summary


def parted(n, leads):
    """`n` replies of the speculative mode differ; the baseline's lead there is given for as many as `leads` has."""
    answers = [
        a.model_copy(update={"reply_sha256": "x"}) if a.mode == SPEC and int(a.case_id) < n else a
        for a in both(suite(), mode=SPEC)
    ]
    known = [*leads, *[None] * (n - len(leads))]
    found = [Divergence(mode=SPEC, suite="s", case_id=str(i), at=10 + i, lead=lead) for i, lead in enumerate(known)]
    return answers, {one.key: one for one in found}


@pytest.mark.parametrize(
    ("n", "leads", "wanted", "words"),
    [
        (0, [], Status.PASS, "130 of 130 greedy replies"),
        (1, [], Status.PASS, "129 of 130"),
        (30, [1.0] * 30, Status.FAIL, "0 of the 30 differences looked up stand at near-ties"),
        (30, [0.1] * 30, Status.PASS, "30 of the 30"),
        (30, [0.1] * 29 + [1.0], Status.PASS, "29 of the 30"),
        (30, [], Status.INCONCLUSIVE, "near-ties or faults is not known"),
        (30, [0.1] * 15, Status.INCONCLUSIVE, "near-ties or faults is not known"),
        (40, [1.0] * 30, Status.FAIL, "where the baseline is sure"),
    ],
)
def test_speculation_may_part_at_near_ties_and_nowhere_else(n, leads, wanted, words):
    answers, divergences = parted(n, leads)
    (finding,) = found(run(answers, suite(), divergences=divergences), "equivalence", SPEC)
    assert finding.status is wanted, finding.summary
    assert words in finding.summary
    assert finding.remedy or wanted is Status.PASS


def test_equal_text_is_no_question_without_a_noise_floor_or_with_a_high_one():
    assert status(run(both(suite(), noise=range(30), mode=SPEC), suite()), "equivalence", SPEC) == [Status.WARN]
    once = [a for a in both(suite(), mode=SPEC) if a.repeat == 0]
    assert status(run(once, suite()), "equivalence", SPEC) == [Status.INCONCLUSIVE]


def test_for_diffusion_equal_text_is_information():
    (finding,) = found(run(both(suite()), suite()), "equivalence")
    assert finding.status is Status.NOT_APPLICABLE
    assert not finding.counts


@pytest.mark.parametrize(
    ("signals", "kind", "word"),
    [
        (Signals(tail_loop=0.5), "long", "loops"),
        (Signals(special_tokens=("<|mask|>",)), "chat", "special tokens"),
        (Signals(malformed_call=True), "tools", "malformed calls"),
        (Signals(adjacent=0.05), "long", "doubled words"),
        (Signals(truncated=True), "long", "cut off"),
    ],
)
def test_replies_that_fall_apart_are_named_and_fail(signals, kind, word):
    of = suite(130, kind=kind)
    answers = [
        a.model_copy(update={"signals": signals}) if a.mode == DLM and int(a.case_id) < 20 else a for a in both(of)
    ]
    (finding,) = found(run(answers, of), "degeneration")
    assert finding.status is Status.FAIL
    assert f"20 {word} (baseline 0)" in finding.summary
    healthy = [a.model_copy(update={"signals": signals}) if int(a.case_id) < 20 else a for a in both(of)]
    assert status(run(healthy, of), "degeneration") == [Status.PASS]


def test_a_server_without_a_tool_parser_is_an_error_and_not_a_zero():
    of = suite(130, kind="tools")
    lost = [a.model_copy(update={"wants_call": True, "tool_outcome": "malformed" if a.mode == DLM else "call", "passed": a.mode == AR,
                                 "signals": Signals(malformed_call=a.mode == DLM, residue="intact" if a.mode == DLM else None)}) for a in both(of)]  # fmt: skip
    findings = run(lost, of)
    assert status(findings, "tools-available") == [Status.ERROR]
    assert status(findings, "floor") == []
    refused = ExchangeError(kind="http", message="tools are not supported", status=400)
    answers = [a for a in lost if a.mode == AR] + [
        one(DLM, i, of=of, error=refused, wants_call=True) for i in range(130)
    ]
    (finding,) = found(run(answers, of), "tools-available")
    assert finding.status is Status.ERROR
    assert "400" in finding.summary


def test_broken_calls_are_the_modes_fault_and_not_the_servers():
    of = suite(130, kind="tools")
    answers = [a.model_copy(update={"wants_call": True, "tool_outcome": "malformed" if a.mode == DLM else "call", "passed": a.mode == AR,
                                    "signals": Signals(malformed_call=a.mode == DLM)}) for a in both(of)]  # fmt: skip
    findings = run(answers, of)
    assert status(findings, "tools-available") == [Status.PASS]
    assert status(findings, "non-inferiority") == [Status.FAIL]


def test_calls_lost_in_the_stream_are_told():
    of = suite(130, kind="tools")
    whole = [one(DLM, i, True, of=of, streamed=False, calls=(ToolCall(name="f", arguments="{}"),)) for i in range(130)]
    findings = run(both(of, lost=range(40)) + whole, of)
    assert status(findings, "stream-parity") == [Status.WARN]


def test_shorter_replies_make_tokens_per_second_a_false_comparison():
    findings = run(both(suite(), tokens=5), suite())
    assert status(findings, "length-honesty") == [Status.WARN]
    assert status(run(both(suite()), suite()), "length-honesty") == [Status.PASS]


def test_the_incumbent_is_better_worse_or_not_compared():
    assert found(run(both(suite()), suite()), "incumbent")[0].data["word"] == "NOT COMPARED"
    asked = {"incumbent": {"endpoint": "http://127.0.0.1:1", "required": True}}
    for failing, word, wanted in (
        (range(60), "better", Status.PASS),
        ((), "no more than the margin is lost", Status.PASS),
    ):
        theirs = [one("incumbent", i, i not in failing) for i in range(130)]
        (finding,) = found(run(both(suite()) + theirs, suite(), asked=asked), "incumbent")
        assert (finding.data["word"], finding.status) == (word, wanted)
    theirs = [one("incumbent", i) for i in range(130)]
    assert status(run(both(suite(), lost=range(60)) + theirs, suite(), asked=asked), "incumbent") == [Status.FAIL]
    assert status(run(both(suite()), suite(), asked=asked), "incumbent") == [Status.INCONCLUSIVE]


def test_repeats_of_a_case_are_one_piece_of_evidence():
    of = suite(20, repeats=5)
    answers = [one(m, i, of=of, repeat=r) for m in (AR, DLM) for i in range(20) for r in range(5)]
    (finding,) = found(run(answers, of), "non-inferiority")
    assert finding.data["pairs"] == 20
    assert finding.status is Status.INCONCLUSIVE


def test_only_shipped_tasks_warn_and_no_tasks_are_skipped():
    assert status(run(both(suite()), suite()), "own-tasks", None) == [Status.WARN]
    assert status(run([], asked={"tasks": []}), "own-tasks", None) == [Status.SKIPPED]


def test_the_summary_has_a_row_for_each_suite_and_mode():
    facts = Facts(start=START, suites=(suite(),), answers=tuple(both(suite(), lost=[1, 2])))
    rows = summarise(facts, checklist())
    assert [(row.mode, row.passed, row.status) for row in rows] == [(AR, 130, "baseline"), (DLM, 128, "inconclusive")]
    assert list(rows[1].harmed) == ["1", "2"]


def placed(by_third, answers, mode):
    grade = Grade(grader="sections", passed=True, detail={"by_third": by_third})
    return [a.model_copy(update={"grades": (grade,)}) if a.mode == mode else a for a in answers]


@pytest.mark.parametrize(
    ("mode_thirds", "wanted", "word"),
    [
        ([1.0, 1.0, 1.0], Status.PASS, "100.0%, 100.0%, 100.0%"),
        ([1.0, 1.0, 0.97], Status.WARN, "grows along the reply"),
        ([1.0, 0.9, 0.7], Status.FAIL, "the end loses the margin"),
        ([0.97, 0.97, 0.97], Status.PASS, "97.0%"),
    ],
)
def test_quality_is_told_by_position_beside_the_baselines(mode_thirds, wanted, word):
    of = suite(130, kind="long")
    answers = placed([1.0, 1.0, 1.0], both(of), AR)
    noisy = [
        placed([max(0.0, t - (int(a.case_id) % 3 - 1) * 0.01 * (t < 1)) for t in mode_thirds], [a], DLM)[0]
        for a in answers
    ]
    (finding,) = found(run(noisy, of), "by-position")
    assert finding.status is wanted, finding.summary
    assert word in finding.summary
    assert found(run(both(of), of), "by-position") == []


def test_open_brackets_and_fences_are_counted_and_do_not_block():
    of = suite(130, kind="long")
    answers = [
        a.model_copy(update={"signals": Signals(unclosed=("code fence",))}) if a.mode == DLM else a for a in both(of)
    ]
    (finding,) = found(run(answers, of), "degeneration")
    assert finding.status is Status.WARN
    assert "130 unclosed (baseline 0)" in finding.summary


def test_a_baseline_that_left_cases_out_is_no_easier_to_equal():
    of, boom = suite(200), ExchangeError(kind="http", message="x", status=500)
    answers = [
        one(AR, i, error=boom) if a.mode == AR and (i := int(a.case_id)) < 12 and not a.repeat else a
        for a in both(of, lost=range(12))
    ]
    (finding,) = found(run(answers, of), "non-inferiority")
    assert finding.status is Status.INCONCLUSIVE
    assert "12 cases that one of the two left unscored" in finding.summary


def test_an_incumbent_that_answered_a_part_is_not_compared():
    asked = {"incumbent": {"endpoint": "http://127.0.0.1:1", "required": True}}
    theirs = [one("incumbent", i) for i in range(90)]
    (finding,) = found(run(both(suite()) + theirs, suite(), asked=asked), "incumbent")
    assert finding.status is Status.INCONCLUSIVE
    assert "NOT COMPARED: only 90 of 130" in finding.summary


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
    assert "94 call, 30 text, 6 malformed, 0 truncated in 130 replies (baseline 100, 30, 0, 0)" in finding.summary
    assert "94.0% are valid calls, 90.0% of the right function" in finding.summary
    assert "30 of 30 that should not call abstain" in finding.summary
    assert finding.data["confused"] == [
        {"asked": "f", "got": "malformed", "times": 6},
        {"asked": "f", "got": "g", "times": 4},
    ]
    assert finding.status is Status.WARN
    assert not finding.counts


def test_a_case_that_passes_now_and_then_is_told_from_one_that_always_does():
    of = suite(80, repeats=3)
    answers = [one(m, i, r != 2 or i >= 8, of=of, repeat=r) for m in (AR, DLM) for i in range(80) for r in range(3)]
    (finding,) = found(run(answers, of), "floor")
    assert "72 each of 3 times, 8 now and then" in finding.summary
    assert finding.data["flaky"] == [str(i) for i in range(8)]


def test_a_small_suite_that_loses_is_not_carried_by_a_shipped_one_that_does_not():
    own = suite(20, name="own", shipped=False)
    for lost, wanted in ((1, Status.INCONCLUSIVE), (0, Status.WARN)):
        findings = run(both(suite()) + both(own, lost=range(lost)), suite(), own)
        by_suite = {f.data["suite"]: f for f in found(findings, "non-inferiority")}
        assert by_suite["s"].status is Status.PASS
        assert by_suite["own"].status is wanted
        assert by_suite["own"].data["too_small"]


@pytest.mark.parametrize(
    ("passing", "of", "wanted"),
    [(100, 100, Status.PASS), (62, 100, Status.PASS), (55, 100, Status.INCONCLUSIVE), (45, 100, Status.INCONCLUSIVE),
     (38, 100, Status.FAIL), (10, 10, Status.PASS), (6, 10, Status.INCONCLUSIVE), (0, 10, Status.FAIL)],
)  # fmt: skip
def test_a_floor_is_decided_by_the_interval_of_the_share_not_by_its_estimate(passing, of, wanted):
    (finding,) = found(run(both(suite(of), lost=range(passing, of)), suite(of)), "floor")
    assert finding.status is wanted, finding.summary
    assert finding.data["low"] <= passing / of <= finding.data["high"]
    assert finding.status is not Status.INCONCLUSIVE or finding.data["cases_that_would_decide"] > of


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
    assert finding.data["word"].startswith("NOT COMPARED")


def test_better_than_a_poor_incumbent_is_better():
    asked = {"incumbent": {"endpoint": "http://127.0.0.1:1", "required": True}}
    (finding,) = found(
        run(both(suite()) + [one("incumbent", i, i < 40) for i in range(130)], suite(), asked=asked), "incumbent"
    )
    assert (finding.status, finding.data["word"]) == (Status.PASS, "better")


def test_a_baseline_that_passes_nothing_is_no_baseline_whatever_the_floor_is():
    answers = both(suite(), gained=range(130))
    findings = run(answers, suite(), items={"floor": {"default": 0.0}})
    assert status(findings, "baseline-valid") == [Status.INCONCLUSIVE]
    assert status(findings, "non-inferiority") == []


def test_every_undecided_loss_states_its_bound():
    for lost in (range(3), range(6)):
        (finding,) = found(run(both(suite(), lost=lost), suite()), "non-inferiority")
        assert finding.status is Status.INCONCLUSIVE
        bound = finding.data["loses_at_most"]
        assert bound == -finding.data["low"] > 0.03
        assert "loses at most" in finding.summary


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
