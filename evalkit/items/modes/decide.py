"""Item 2, modes: is a mode faster than the baseline on your prompts, and within your latency targets? Pure."""

from __future__ import annotations

from datetime import datetime

from evalkit.analysis import speed
from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.modes import checks as check
from evalkit.items.modes import words
from evalkit.items.modes.latency import goodput, latency
from evalkit.items.modes.load import load
from evalkit.items.modes.traffic import money, traffic, versus
from evalkit.items.modes.validity import validity
from evalkit.items.modes.worth import frontier, information, priced
from evalkit.modes import INCUMBENT


def decide(checklist: Checklist, facts: Facts, _now: datetime) -> list[Finding]:
    """Findings of every configured mode, the baseline's own included: the verdict counts those of adopted modes."""
    if not checklist.modes:
        return [check.MEASURED.found(words.Measured(outcome="no-mode"))]
    readings = Readings(facts.timed)
    findings = [_own_prompts(facts), *_distinct_prompts(facts)]
    if not checklist.adopted:
        nothing = words.SpeedUp(outcome="nothing-to-compare", baseline=checklist.baseline.speed)
        findings.append(check.SPEEDUP.found(nothing))
    claims = speed.claims(checklist, facts, readings)
    for mode in dict.fromkeys([*checklist.modes, *checklist.adopted]):
        findings += _of_mode(checklist, facts, readings, mode, claims.get(mode))
    findings += money(checklist, facts, readings, INCUMBENT) + versus(checklist, facts, readings)
    points = frontier(checklist, facts, readings)
    findings += [points] if points else []
    return [priced(checklist, facts, readings, one) for one in findings]


def _of_mode(
    checklist: Checklist, facts: Facts, readings: Readings, mode: str, claim: speed.Claim | None
) -> list[Finding]:
    measured = _measured(checklist, facts, readings, mode)
    if not measured.status.carries:
        return [measured]
    label = speed.reference(facts, mode)
    findings = [measured, _speedup(checklist, mode, claim)]
    if label:
        values = words.Reference(mode=mode, label=label, baseline=mode == checklist.baseline.speed)
        findings.append(check.REFERENCE.found(values, mode=mode, known_by=KnownBy.DECLARED))
    findings += latency(checklist, readings, mode, reference=bool(label))
    findings += goodput(checklist, readings, mode, reference=bool(label))
    findings = [_not_decided_there(checklist, one) for one in findings] + load(checklist, facts, mode)
    findings += validity(checklist, facts, readings, mode, claim)
    findings += information(checklist, facts, readings, mode) + money(checklist, facts, readings, mode)
    findings += traffic(checklist, facts, mode)
    return findings


def _not_decided_there(checklist: Checklist, found: Finding) -> Finding:
    """Closed-loop findings of what is decided under open load, or at the capacity: information."""
    decides = checklist.items.modes.decides
    closed = found.id == check.SPEEDUP.id or (
        decides == "load" and (found.id.startswith("modes.latency-") or found.id == check.GOODPUT.id)
    )
    return found.model_copy(update={"counts": False}) if closed and decides != "concurrency" else found


def _own_prompts(facts: Facts) -> Finding:
    own = sum(p.count for p in facts.prompts if not p.shipped)
    if own:
        return check.OWN_PROMPTS.found(words.OwnPrompts(outcome="own", prompts=own), known_by=KnownBy.OBSERVED)
    return check.OWN_PROMPTS.found(words.OwnPrompts(outcome="shipped-only" if facts.prompts else "none"))


def _distinct_prompts(facts: Facts) -> list[Finding]:
    """Reported only if a prompt text occurs more than once."""
    count, again = sum(p.count for p in facts.prompts), sum(p.repeated for p in facts.prompts)
    if not again:
        return []
    values = words.DistinctPrompts(prompts=count, repeated=again, distinct=count - again)
    return [check.DISTINCT_PROMPTS.found(values, known_by=KnownBy.OBSERVED)]


def _measured(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Finding:
    level = checklist.items.modes.level
    sent, good = readings.all(mode, level), readings.good(mode, level)
    make = check.MEASURED.found
    if mode not in checklist.modes:
        return make(words.Measured(outcome="not-configured", mode=mode), mode=mode)
    if not sent:
        error = next((e for e in facts.errors if e.item == "modes" and e.mode in (mode, None)), None)
        why = error.summary if error else None
        if why is None and speed.reference(facts, mode):
            why = words.FOR_QUALITY
        return make(words.Measured(outcome="not-sent", mode=mode, concurrency=level, why=why), mode=mode)
    if not good:
        errors = sorted({s.exchange.error.message for s in sent if s.exchange.error})[:2]
        why = "; ".join(errors) or None
        return make(words.Measured(outcome="nothing-usable", mode=mode, requests=len(sent), why=why), mode=mode)
    values = words.Measured(
        outcome="timed", mode=mode, requests=len(sent), usable=len(good), prompts=len({s.prompt for s in good}),
        concurrency=level,
    )  # fmt: skip
    return make(values, mode=mode, known_by=KnownBy.OBSERVED)


def _speedup(checklist: Checklist, mode: str, claim: speed.Claim | None) -> Finding:
    if claim is None:
        return check.SPEEDUP.found(words.SpeedUp(outcome="is-the-baseline", baseline=mode), mode=mode)
    values = words.SpeedUp.of(claim, len(checklist.adopted))
    known = KnownBy.OBSERVED if claim.estimate else None
    return check.SPEEDUP.found(values, mode=mode, known_by=known)
