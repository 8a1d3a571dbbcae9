"""Item 2, modes: is a mode faster than the baseline on your prompts, and within your latency targets? Pure."""

from __future__ import annotations

from datetime import datetime

from evalkit.analysis import speed
from evalkit.analysis.readings import Readings, geometric
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.modes import checks as check
from evalkit.items.modes import frontier as modes_frontier
from evalkit.items.modes import words
from evalkit.items.modes.checks import CHECKS
from evalkit.items.modes.cost import cost, priced
from evalkit.items.modes.latency import goodput, latency
from evalkit.items.modes.power import energy
from evalkit.items.modes.validity import validity
from evalkit.stats.ratio import RatioEstimate, log_ratios

__all__ = ["CHECKS", "decide"]


def decide(checklist: Checklist, facts: Facts, now: datetime) -> list[Finding]:
    """Findings of every configured mode, the baseline's own included: the verdict counts those of adopted modes."""
    del now
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
    points = modes_frontier.finding(checklist, facts, readings)
    findings += [points] if points else []
    return [priced(checklist, facts, readings, one) for one in findings]


def _of_mode(
    checklist: Checklist, facts: Facts, readings: Readings, mode: str, claim: speed.Claim | None
) -> list[Finding]:
    measured = _measured(checklist, facts, readings, mode)
    if not measured.status.carries:
        return [measured]
    findings = [measured, _speedup(checklist, mode, claim), *latency(checklist, readings, mode)]
    findings += goodput(checklist, readings, mode)
    findings += validity(checklist, facts, readings, mode, claim)
    findings += _information(checklist, facts, readings, mode)
    return findings


def _own_prompts(facts: Facts) -> Finding:
    own = sum(p.count for p in facts.prompts if not p.shipped)
    if own:
        return check.OWN_PROMPTS.found(words.OwnPrompts(outcome="own", prompts=own), known_by=KnownBy.OBSERVED)
    return check.OWN_PROMPTS.found(words.OwnPrompts(outcome="shipped-only" if facts.prompts else "none"))


def _distinct_prompts(facts: Facts) -> list[Finding]:
    """Said only where a text stands more than once."""
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


def _information(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> list[Finding]:
    found: list[Finding] = []
    crossing = _levels(checklist, readings, mode)
    if crossing:
        found.append(crossing)
    others = (
        _fixed_length(checklist, facts, mode),
        cost(checklist, facts, readings, mode),
        energy(facts, readings, mode, checklist.items.modes.level, checklist.baseline.speed),
    )
    return [*found, *(one for one in others if one is not None)]


def _levels(checklist: Checklist, readings: Readings, mode: str) -> Finding | None:
    item = checklist.items.modes
    if mode == checklist.baseline.speed or len(item.concurrency) < 2:
        return None
    ratios: dict[int, RatioEstimate] = {}
    for level in sorted(item.concurrency):
        estimate = speed.measure(readings, checklist, mode, level, item.confidence)
        if estimate is not None:
            ratios[level] = estimate
    lost = next((level for level, e in ratios.items() if e.ratio <= 1), None)
    shown = ", ".join(f"{e.ratio:.2f}x at {level}" for level, e in ratios.items()) or "none measured"
    end = "no longer wins at" if lost is not None else "wins at every level"
    text = f"ratio by concurrency: {shown}; {end}{f' {lost} streams' if lost is not None else ' measured'}."
    data: dict[str, object] = {"crossover": lost, "ratios": {str(level): e.ratio for level, e in ratios.items()}}
    if not ratios:
        return check.LEVELS.finding(Status.INCONCLUSIVE, text, mode=mode, counts=False, data=data)
    return check.LEVELS.finding(Status.PASS if lost is None else Status.WARN, text, mode=mode, counts=False, data=data)


def _fixed_length(checklist: Checklist, facts: Facts, mode: str) -> Finding | None:
    """Per token at forced length, beside the decided ratio. Information only."""
    item, baseline = checklist.items.modes, checklist.baseline.speed
    if not item.fixed_length or mode == baseline:
        return None
    readings = Readings(facts.timed, fixed_length=True)
    found = speed.measure(readings, checklist, mode, item.level, item.confidence, per_token=True)
    make = check.FIXED_LENGTH.finding
    if found is None:
        sent, failed = len(readings.all(mode, item.level)), readings.failed(mode, item.level)
        text = f"not available: {failed} of {sent} requests with ignore_eos failed or carry no token counts."
        return make(Status.INCONCLUSIVE, text, mode=mode, counts=False)
    length = geometric(log_ratios(readings.tokens(mode, item.level), readings.tokens(baseline, item.level)))
    text = (
        f"per token {found.ratio:.2f}x ({found.low:.2f} to {found.high:.2f}) on {found.pairs} prompts at forced length"
    )
    if length is not None and abs(length - 1) > 0.02:
        text += f"; lengths still differ ({length:.2f}x): the server does not honour ignore_eos alike"
    data: dict[str, object] = {"ratio": found.ratio, "low": found.low, "high": found.high, "length_ratio": length}
    return make(Status.PASS, text + ".", mode=mode, counts=False, known_by=KnownBy.OBSERVED, data=data)
