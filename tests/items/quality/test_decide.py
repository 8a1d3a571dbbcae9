"""Item quality: each fault is named, and what was not shown is no pass."""

from __future__ import annotations

import pytest

from evalkit.analysis.suites import summarise
from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange, ExchangeError, ToolCall
from evalkit.facts import Facts
from evalkit.findings import Status
from evalkit.hub.facts import CandidateFacts
from evalkit.items.quality.decide import CHECKS, decide
from evalkit.quality.facts import Answer, Divergence, Grade, Signals, SuiteFacts
from evalkit.serving.facts import EndpointFacts
from tests.support.start import NOW, START

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


def outcome(findings, check, mode=DLM):
    return [f.outcome for f in found(findings, check, mode)]


def run(answers, *suites, items=None, **facts):
    asked = checklist(items={"quality": items or {}}, **facts.pop("asked", {}))
    return decide(asked, Facts(start=START, suites=suites, answers=tuple(answers), **facts), NOW)


def test_no_loss_on_enough_cases_passes_with_figures():
    findings = run(both(suite()), suite())
    (finding,) = found(findings, "non-inferiority")
    assert (finding.status, finding.outcome, finding.data["pairs"]) == (Status.PASS, "shown", 130)
    assert finding.data["low"] > -0.03
    assert outcome(findings, "harm") == ["none"]


def test_a_mode_that_loses_a_fifth_fails_and_its_cases_are_listed_side_by_side():
    findings = run(both(suite(), lost=range(24)), suite())
    assert (status(findings, "non-inferiority"), outcome(findings, "non-inferiority")) == ([Status.FAIL], ["lost"])
    (harm,) = found(findings, "harm")
    assert (harm.status, harm.outcome) == (Status.WARN, "lost")
    assert harm.data["harmed"] == 24
    assert harm.data["cases_harmed"][0]["mode_reply"] == "bad 0"
    assert harm.data["cases_harmed"][0]["baseline_reply"] == "reply 0"


def test_a_loss_that_is_neither_shown_nor_excluded_is_inconclusive_and_says_how_many_cases_would_decide():
    (finding,) = found(run(both(suite(), lost=[1, 2, 3]), suite()), "non-inferiority")
    assert (finding.status, finding.outcome) == (Status.INCONCLUSIVE, "open")
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
    assert outcome(findings, "baseline-valid") == ["below-floor"]
    assert status(findings, "non-inferiority") == []
    assert outcome(findings, "floor") == ["below"]


def test_a_baseline_that_runs_the_block_loop_is_no_quality_baseline():
    loop = EndpointFacts(label=AR, endpoint="http://x", reachable=True, block_loop=True)
    assert outcome(run(both(suite()), suite(), endpoints={AR: loop}), "baseline-valid") == ["block-loop"]


def test_a_small_suite_of_ones_own_is_carried_by_a_shipped_one_and_says_what_it_could_have_seen():
    own = suite(30, name="own", shipped=False)
    findings = run(both(suite()) + both(own), suite(), own)
    by_suite = {f.data["suite"]: f for f in found(findings, "non-inferiority")}
    assert (by_suite["own"].status, by_suite["own"].outcome) == (Status.WARN, "carried")
    assert by_suite["own"].data["loses_at_most"] == pytest.approx(0.117, abs=0.001)
    assert by_suite["own"].data["at_most"] == 0.118
    assert outcome(run(both(own), own), "non-inferiority") == ["too-small"]
    losing = run(both(suite()) + both(own, lost=[1, 2]), suite(), own)
    assert {f.data["suite"]: f.outcome for f in found(losing, "non-inferiority")}["own"] == "too-small-and-losing"


def test_a_lost_critical_case_fails_whatever_the_share_says():
    of = suite(400, critical=["7"])
    findings = run(both(of, lost=[7]), of)
    (loss,) = found(findings, "non-inferiority")
    assert (loss.status, loss.data["only_losses"]) == (Status.PASS, True)
    assert (status(findings, "critical"), outcome(findings, "critical")) == ([Status.FAIL], ["lost"])
    assert outcome(run(both(of), of), "critical") == ["all-pass"]
    unasked = [a for a in both(of) if a.case_id != "7"]
    assert outcome(run(unasked, of), "critical") == ["not-compared"]


def test_errors_count_against_completeness_and_never_as_wrong():
    boom = ExchangeError(kind="timeout", message="no reply within 60 s")
    answers = [a for a in both(suite()) if a.mode == AR] + [
        one(DLM, i, error=boom if i < 12 else None) for i in range(130)
    ]
    findings = run(answers, suite())
    (finding,) = found(findings, "scored")
    assert (finding.status, finding.outcome) == (Status.ERROR, "failed")
    assert finding.data["unscored"] == {"timeout: no reply within 60 s": 12}
    assert outcome(findings, "floor") == ["met"]


def test_a_pass_that_holds_only_without_the_unscored_cases_is_no_pass():
    boom = ExchangeError(kind="http", message="x", status=500)
    of = suite(130)
    answers = [a for a in both(of) if a.mode == AR] + [one(DLM, i, error=boom if i < 2 else None) for i in range(130)]
    assert outcome(run(answers, of), "scored") == ["complete"]
    (finding,) = found(run(answers, of), "non-inferiority")
    assert (finding.status, finding.outcome) == (Status.INCONCLUSIVE, "one-sided")


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
    ("n", "leads", "wanted", "ties"),
    [
        (0, [], "equal", 0),
        (1, [], "equal", 0),
        (30, [1.0] * 30, "changed", 0),
        (30, [0.1] * 30, "equal", 30),
        (30, [0.1] * 29 + [1.0], "equal", 29),
        (30, [], "not-looked-up", 0),
        (30, [0.1] * 15, "not-looked-up", 15),
        (40, [1.0] * 30, "changed", 0),
    ],
)
def test_speculation_may_part_at_near_ties_and_nowhere_else(n, leads, wanted, ties):
    answers, divergences = parted(n, leads)
    (finding,) = found(run(answers, suite(), divergences=divergences), "equivalence", SPEC)
    assert finding.outcome == wanted, finding.summary
    assert (finding.data["equal"], finding.data["near_ties"]) == (130 - n, ties)
    assert finding.data["not_looked_up"] == n - len(leads)
    assert finding.remedy or wanted == "equal"


def test_equal_text_is_no_question_without_a_noise_floor_or_with_a_high_one():
    assert outcome(run(both(suite(), noise=range(30), mode=SPEC), suite()), "equivalence", SPEC) == ["noisy"]
    once = [a for a in both(suite(), mode=SPEC) if a.repeat == 0]
    assert outcome(run(once, suite()), "equivalence", SPEC) == ["no-noise-floor"]


def test_for_diffusion_equal_text_is_information():
    (finding,) = found(run(both(suite()), suite()), "equivalence")
    assert (finding.status, finding.outcome, finding.counts) == (Status.NOT_APPLICABLE, "information", False)


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
    assert (finding.status, finding.outcome) == (Status.FAIL, "over-margin")
    assert (finding.data["mode_counts"][word], finding.data["baseline_counts"][word]) == (20, 0)
    healthy = [a.model_copy(update={"signals": signals}) if int(a.case_id) < 20 else a for a in both(of)]
    assert outcome(run(healthy, of), "degeneration") == ["as-sound"]


def test_a_server_without_a_tool_parser_is_an_error_and_not_a_zero():
    of = suite(130, kind="tools")
    lost = [a.model_copy(update={"wants_call": True, "tool_outcome": "malformed" if a.mode == DLM else "call", "passed": a.mode == AR,
                                 "signals": Signals(malformed_call=a.mode == DLM, residue="intact" if a.mode == DLM else None)}) for a in both(of)]  # fmt: skip
    findings = run(lost, of)
    assert outcome(findings, "tools-available") == ["not-parsed"]
    assert status(findings, "floor") == []
    refused = ExchangeError(kind="http", message="tools are not supported", status=400)
    answers = [a for a in lost if a.mode == AR] + [
        one(DLM, i, of=of, error=refused, wants_call=True) for i in range(130)
    ]
    (finding,) = found(run(answers, of), "tools-available")
    assert (finding.status, finding.outcome, finding.data["status"]) == (Status.ERROR, "refused", 400)


def test_broken_calls_are_the_modes_fault_and_not_the_servers():
    of = suite(130, kind="tools")
    answers = [a.model_copy(update={"wants_call": True, "tool_outcome": "malformed" if a.mode == DLM else "call", "passed": a.mode == AR,
                                    "signals": Signals(malformed_call=a.mode == DLM)}) for a in both(of)]  # fmt: skip
    findings = run(answers, of)
    assert outcome(findings, "tools-available") == ["available"]
    assert status(findings, "non-inferiority") == [Status.FAIL]


def test_calls_lost_in_the_stream_are_told():
    of = suite(130, kind="tools")
    whole = [one(DLM, i, True, of=of, streamed=False, calls=(ToolCall(name="f", arguments="{}"),)) for i in range(130)]
    findings = run(both(of, lost=range(40)) + whole, of)
    assert outcome(findings, "stream-parity") == ["lost-in-stream"]


def test_shorter_replies_make_tokens_per_second_a_false_comparison():
    findings = run(both(suite(), tokens=5), suite())
    assert outcome(findings, "length-honesty") == ["apart"]
    assert outcome(run(both(suite()), suite()), "length-honesty") == ["alike"]


def test_the_incumbent_is_better_worse_or_not_compared():
    assert outcome(run(both(suite()), suite()), "incumbent") == ["not-configured"]
    asked = {"incumbent": {"endpoint": "http://127.0.0.1:1", "required": True}}
    for failing, wanted in ((range(60), "better"), ((), "no-worse")):
        theirs = [one("incumbent", i, i not in failing) for i in range(130)]
        (finding,) = found(run(both(suite()) + theirs, suite(), asked=asked), "incumbent")
        assert (finding.outcome, finding.status) == (wanted, Status.PASS)
    theirs = [one("incumbent", i) for i in range(130)]
    assert status(run(both(suite(), lost=range(60)) + theirs, suite(), asked=asked), "incumbent") == [Status.FAIL]
    assert outcome(run(both(suite()), suite(), asked=asked), "incumbent") == ["no-answers"]


def test_repeats_of_a_case_are_one_piece_of_evidence():
    of = suite(20, repeats=5)
    answers = [one(m, i, of=of, repeat=r) for m in (AR, DLM) for i in range(20) for r in range(5)]
    (finding,) = found(run(answers, of), "non-inferiority")
    assert finding.data["pairs"] == 20
    assert finding.outcome == "too-small-shipped"


def test_only_shipped_tasks_warn_and_no_tasks_are_skipped():
    assert outcome(run(both(suite()), suite()), "own-tasks", None) == ["shipped-only"]
    assert outcome(run([], asked={"tasks": []}), "own-tasks", None) == ["not-asked"]
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
