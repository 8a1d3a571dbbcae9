"""The quality of the report: suites per mode against the baseline, and the harm list."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from evalkit.modes import INCUMBENT
from evalkit.redaction import UNITS

if TYPE_CHECKING:
    from evalkit.checklist.schema import Checklist
    from evalkit.facts import Facts
    from evalkit.quality.facts import Answer

#: harmed cases shown with their texts; the rest are counted
MOST_HARMS = 60
_TEXT = 4000
_SEVERITY = {"critical": 0, "normal": 1, "minor": 2}


def quality(checklist: Checklist, facts: Facts, *, redact_prompts: bool) -> dict[str, Any]:
    """`{suites: [...], harms: [...], harms_total}`."""
    from evalkit.analysis.suites import summarise

    pairs = harmed(checklist, facts)
    return {
        "suites": [_suite(row.model_dump(mode="json")) for row in summarise(facts, checklist)],
        "harms_total": len(pairs),
        "harms": [_harm(base, answer, redact_prompts=redact_prompts) for base, answer in pairs[:MOST_HARMS]],
    }


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


def _suite(row: dict[str, Any]) -> dict[str, Any]:
    """A row without the cases' texts: those are in the harm list."""
    return {**row, "harmed": len(row.get("harmed") or ())}


def harmed(checklist: Checklist, facts: Facts) -> list[tuple[Answer, Answer]]:
    """(baseline, mode) for every case that the baseline passed and the mode failed: critical first, then by name."""
    baseline = checklist.baseline.quality
    base = {_case(a): a for a in facts.answers if a.mode == baseline}
    pairs = [
        (base[_case(a)], a)
        for a in facts.answers
        if a.mode not in (baseline, INCUMBENT) and a.passed is False and _case(a) in base and base[_case(a)].passed
    ]
    order = {label: i for i, label in enumerate(checklist.modes)}
    return sorted(
        pairs,
        key=lambda pair: (
            _SEVERITY.get(pair[1].severity, 1),
            order.get(pair[1].mode, len(order)),
            pair[1].suite,
            pair[1].case_id,
            pair[1].repeat,
        ),
    )


def _case(answer: Answer) -> tuple[str, str, int, bool]:
    return answer.suite, answer.case_id, answer.repeat, answer.streamed


def _harm(base: Answer, answer: Answer, *, redact_prompts: bool) -> dict[str, Any]:
    failed = [g for g in answer.grades if g.passed is False]
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
            "reason": "; ".join(dict.fromkeys(g.reason for g in failed if g.reason))[:500],
            "prompt": answer.prompt_preview[:_TEXT],
            "baseline_text": reply_text(base),
            "mode_text": reply_text(answer),
        }
    return document


def reply_text(answer: Answer) -> str:
    """What the model answered: its text, then its tool calls as `name(arguments)`."""
    calls = [f"{call.name}({call.arguments})" for call in answer.exchange.tool_calls]
    text = "\n".join([part for part in (answer.exchange.text, *calls) if part])
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}…"
