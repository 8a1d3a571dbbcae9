"""The quality of the report: suites per mode against the baseline, every case, and the replies to look at."""

from __future__ import annotations

from statistics import median
from typing import Any

from evalkit.analysis.each import SEVERITY, EachCase, cases, worst
from evalkit.analysis.pairs import Answers, alpha_of, failing, table
from evalkit.analysis.suites import summarise
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import KnownBy
from evalkit.items.quality import checks as quality_checks
from evalkit.modes import INCUMBENT
from evalkit.quality.facts import Answer
from evalkit.redaction import UNITS
from evalkit.text import cut
from evalkit.verdict.results import Decision

#: harmed cases shown with their texts; the rest are counted
MOST_HARMS = 60
#: cases listed in the report, worst first; cases.csv lists all
MOST_CASES = 10_000
#: cases shown with the replies of every mode, and characters of one reply
MOST_REPLIES, REPLY_TEXT = 150, 1500
_TEXT = 4000
_REPORTED = KnownBy.THIRD_PARTY_REPORTED


def quality(
    checklist: Checklist, facts: Facts, decision: Decision | None = None, *, redact_prompts: bool
) -> dict[str, Any]:
    """`quality` of the report (document.model.quality); a suite's status is that of its finding."""
    pairs, decided = harmed(checklist, facts), _statuses(decision)
    rows = (row.model_dump(mode="json") for row in summarise(facts, checklist))
    every = cases(checklist, facts, MOST_CASES)
    answered = [row for row in every.rows if row.replies and not row.clean]
    shown = worst([row for row in answered if row.lost], [row for row in answered if not row.lost], MOST_REPLIES)
    return {
        "suites": [_suite(row, decided.get((row["suite"], row["mode"]))) for row in rows],
        "harms_total": len(pairs),
        "harms": [_harm(base, answer, redact_prompts=redact_prompts) for base, answer in pairs[:MOST_HARMS]],
        "cases_total": every.total,
        "cases": [_case(row) for row in every.rows],
        "not_clean": every.not_clean,
        "replies": [_replies(row, checklist.baseline.quality, redact_prompts=redact_prompts) for row in shown],
    }


def _case(row: EachCase) -> dict[str, Any]:
    return {
        "suite": row.suite, "kind": row.kind, "case_id": row.case_id, "severity": row.severity,
        "tags": list(row.tags), "results": dict(row.results), "lost": list(row.lost),
    }  # fmt: skip


def _replies(row: EachCase, baseline: str, *, redact_prompts: bool) -> dict[str, Any]:
    base, modes = row.replies.get(baseline), []
    for mode in row.results:
        answer = row.replies.get(mode)
        if answer is None:
            continue
        failed = failing(answer, base)
        reply: dict[str, Any] = {
            "mode": mode,
            "repeat": answer.repeat,
            "graders": [g.grader for g in failed],
            "finish_reason": answer.exchange.finish_reason,
            "error": answer.exchange.error.kind if answer.exchange.error else None,
            "e2e_ms": None if answer.exchange.e2e_us is None else answer.exchange.e2e_us / 1000,
        }
        if not redact_prompts:
            reply["reason"] = cut("; ".join(dict.fromkeys(g.reason for g in failed if g.reason)), 500)
            reply["text"] = reply_text(answer, REPLY_TEXT)
        modes.append(reply)
    shown: dict[str, Any] = {"suite": row.suite, "case_id": row.case_id, "modes": modes}
    if not redact_prompts:
        shown["prompt"] = cut(next(iter(row.replies.values())).prompt_preview, REPLY_TEXT)
    return shown


def _statuses(decision: Decision | None) -> dict[tuple[object, object], str]:
    """(suite, mode) -> status of the finding on its loss, or on the baseline where that is not valid."""
    found: dict[tuple[object, object], str] = {}
    for finding in (f for item in decision.items if item.id == "quality" for f in item.findings) if decision else ():
        wanted = finding.id == quality_checks.NON_INFERIORITY.id or (
            finding.id == quality_checks.BASELINE_VALID.id and finding.status.open
        )
        if wanted and "suite" in finding.data and (finding.counts or finding.known_by is not _REPORTED):
            found[finding.data["suite"], finding.mode] = finding.status.value
    return found


def lengths(checklist: Checklist, facts: Facts) -> list[dict[str, Any]]:
    """Length achieved against length asked, by mode and asked length, from what the `length` grader measured."""
    found: dict[tuple[str, int, str], list[int]] = {}
    for answer in facts.answers:
        for grade in answer.grades if answer.exchange.ok else ():
            asked, got = grade.detail.get("asked"), grade.detail.get("achieved")
            if grade.grader == "length" and isinstance(asked, int) and isinstance(got, int) and asked > 0:
                unit = grade.detail.get("unit")
                found.setdefault((answer.mode, asked, unit if unit in UNITS else ""), []).append(got)
    order = {label: i for i, label in enumerate(checklist.modes)}
    rows = sorted(found.items(), key=lambda row: (row[0][2], row[0][1], order.get(row[0][0], len(order)), row[0][0]))
    return [
        {"mode": mode, "asked": asked, "unit": unit or None, "n": len(got), "median": float(median(got)),
         "low": min(got), "high": max(got)}
        for (mode, asked, unit), got in rows
    ]  # fmt: skip


def _suite(row: dict[str, Any], status: str | None) -> dict[str, Any]:
    """A row with its count of lost cases: their texts are in the list of regressions."""
    return {**row, "harmed": len(row.get("harmed") or ()), "status": status or row["status"]}


def harmed(checklist: Checklist, facts: Facts) -> list[tuple[Answer, Answer]]:
    """(baseline, mode) for every case that the mode lost: critical first, then by name."""
    answers, baseline, alpha = Answers(facts.answers), checklist.baseline.quality, alpha_of(checklist)
    modes = [mode for mode in checklist.modes if mode not in (baseline, INCUMBENT) and mode in answers.modes]
    pairs = [
        (pair.base_answer, pair.mode_answer)
        for suite in facts.suites
        for mode in modes
        for pair in table(answers, suite, mode, baseline, alpha).harmed
        if pair.base_answer is not None and pair.mode_answer is not None
    ]
    order = {label: i for i, label in enumerate(checklist.modes)}
    return sorted(
        pairs,
        key=lambda pair: (
            SEVERITY.get(pair[1].severity, 1),
            order.get(pair[1].mode, len(order)),
            pair[1].suite,
            pair[1].case_id,
            pair[1].repeat,
        ),
    )


def _harm(base: Answer, answer: Answer, *, redact_prompts: bool) -> dict[str, Any]:
    failed = failing(answer, base)
    document: dict[str, Any] = {
        "suite": answer.suite,
        "kind": answer.kind,
        "case_id": answer.case_id,
        "repeat": answer.repeat,
        "mode": answer.mode,
        "baseline": base.mode,
        "severity": answer.severity,
        "tags": list(answer.tags),
        "graders": [g.grader for g in failed],
        "finish_reason": answer.exchange.finish_reason,
        "error": answer.exchange.error.kind if answer.exchange.error else None,
    }
    if not redact_prompts:
        document |= {
            "reason": cut("; ".join(dict.fromkeys(g.reason for g in failed if g.reason)), 500),
            "prompt": cut(answer.prompt_preview, _TEXT),
            "baseline_text": reply_text(base),
            "mode_text": reply_text(answer),
        }
    return document


def reply_text(answer: Answer, limit: int = _TEXT) -> str:
    """What the model answered: its text, then its tool calls as `name(arguments)`."""
    calls = [f"{call.name}({call.arguments})" for call in answer.exchange.tool_calls]
    text = "\n".join([part for part in (answer.exchange.text, *calls) if part])
    return text if len(text) <= limit else f"{cut(text, limit)}…"
