"""What the judge said, for people to read: it never counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.quality import checks
from evalkit.quality.facts import Judgement

_JUDGED = frozenset({"rubric", "prefer"})


def judge(checklist: Checklist, facts: Facts, mode: str) -> Finding | None:
    """Yes answers beside the baseline's, preferences, flips, and what stayed unscored. None: no case asks a judge."""
    asked = any(g.grader in _JUDGED for one in facts.answers if one.mode == mode for g in one.grades)
    mine = [one for one in facts.judgements if one.mode == mode]
    if not asked and not mine:
        return None
    make = checks.JUDGE.finding
    if not mine:
        text = "no judge was asked: " + (
            "none is configured." if checklist.items.quality.judge is None else "none answered in this run."
        )
        return make(Status.NOT_APPLICABLE, text, mode=mode, counts=False)
    base = [one for one in facts.judgements if one.mode == checklist.baseline.quality]
    info = _figures(mine, base)
    parts = []
    if info["questions"]:
        parts.append(f"{info['yes']} of {info['questions']} questions answered yes")
        if mode != checklist.baseline.quality and info["baseline_questions"]:
            parts.append(f"{info['baseline_yes']} of {info['baseline_questions']} in the baseline")
    if info["compared"]:
        parts.append(
            f"preferred in {info['better']} of {info['compared']} comparisons, the baseline in {info['worse']},"
            f" {info['ties']} ties ({info['flipped']} verdicts flipped with the order)"
        )
    if info["unscored"]:
        parts.append(f"{info['unscored']} without a verdict")
    text = f"the judge {mine[-1].judge}: {'; '.join(parts)}."
    clear = not info["unscored"] and info["flipped"] * 4 <= info["compared"]
    return make(
        Status.PASS if clear else Status.WARN, text, mode=mode, known_by=KnownBy.INFERRED, counts=False, data=info
    )


def _figures(mine: list[Judgement], base: Iterable[Judgement]) -> dict[str, Any]:
    preferences = Counter(one.preference for one in mine if one.preference)
    answers = [yes for one in mine for yes in one.answers]
    before = [yes for one in base for yes in one.answers]
    return {
        "judges": sorted({one.judge for one in mine}),
        "prompts": sorted({one.prompt_sha256 for one in mine}),
        "questions": len(answers),
        "yes": sum(answers),
        "baseline_questions": len(before),
        "baseline_yes": sum(before),
        "compared": sum(preferences.values()),
        "better": preferences["mode"],
        "worse": preferences["baseline"],
        "ties": preferences["tie"],
        "flipped": sum(one.flipped for one in mine),
        "unscored": sum(one.unscored is not None for one in mine),
        "why_unscored": dict(Counter(one.unscored for one in mine if one.unscored)),
    }
