"""Item quality: each fault is named, and what was not shown is no pass."""

from __future__ import annotations

import pytest

from evalkit.analysis.suites import summarise
from evalkit.client.types import ExchangeError, ToolCall
from evalkit.facts import Facts
from evalkit.findings import Status
from evalkit.items.quality.checks import CHECKS
from evalkit.quality.facts import Divergence, Signals
from evalkit.serving.facts import EndpointFacts
from tests.items.quality.decide_cases import AR, DLM, SPEC, both, checklist, found, one, outcome, run, status, suite
from tests.support.start import START


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


@pytest.mark.parametrize(
    ("margin", "floor", "shown"),
    [(0.95, 0.0, "asks-nothing"), (0.95, 0.02, "shown"), (0.5, 0.0, "shown"), (0.89, 0.0, "shown")],
)
def test_a_margin_of_nearly_all_without_a_floor_shows_nothing(margin, floor, shown):
    asked = {"margin": {"default": margin}, "floor": {"default": floor}}
    assert outcome(run(both(suite()), suite(), items=asked), "non-inferiority") == [shown]


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
        (Signals(echo=True), "chat", "the prompt again"),
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
