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
from evalkit.items.modes.checks import CHECKS
from evalkit.items.modes.cost import Needed, cost, priced
from evalkit.items.modes.latency import goodput, latency
from evalkit.items.modes.power import energy
from evalkit.items.modes.validity import validity
from evalkit.stats.ratio import RatioEstimate, log_ratios

__all__ = ["CHECKS", "decide"]


def decide(checklist: Checklist, facts: Facts, now: datetime) -> list[Finding]:
    """Findings of every configured mode, the baseline's own included: the verdict counts those of adopted modes."""
    del now
    if not checklist.modes:
        text = "no mode has an endpoint or a launch command: nothing was timed."
        remedy = "start a server for each mode and name it under `modes:`, or pass --mode NAME=URL"
        return [check.MEASURED.finding(Status.ERROR, text, remedy=remedy)]
    readings = Readings(facts.timed)
    findings = [_own_prompts(facts), *_distinct_prompts(facts)]
    if not checklist.adopted:
        text = f"only the baseline {checklist.baseline.speed} is configured: there is nothing to compare it with."
        remedy = "configure the mode you consider, or set `adopt: [autoregressive]` to judge the baseline alone"
        findings.append(check.SPEEDUP.finding(Status.INCONCLUSIVE, text, remedy=remedy))
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
    findings = [measured, _speedup(mode, claim), *latency(checklist, readings, mode)]
    findings += goodput(checklist, readings, mode)
    findings += validity(checklist, facts, readings, mode, claim)
    findings += _information(checklist, facts, readings, mode)
    return findings


def _own_prompts(facts: Facts) -> Finding:
    own = [p for p in facts.prompts if not p.shipped]
    if own:
        count = sum(p.count for p in own)
        return check.OWN_PROMPTS.finding(Status.PASS, f"{count} prompts of your own.", known_by=KnownBy.OBSERVED)
    if not facts.prompts:
        return check.OWN_PROMPTS.finding(Status.WARN, "no prompt file was part of the run.")
    return check.OWN_PROMPTS.finding(Status.WARN, "only the shipped prompts were timed: yours may gain less or more.")


def _distinct_prompts(facts: Facts) -> list[Finding]:
    """Said only where a text stands more than once."""
    count, again = sum(p.count for p in facts.prompts), sum(p.repeated for p in facts.prompts)
    if not again:
        return []
    text = f"{again} of {count} prompts repeat the text of another: they count once, {count - again} are distinct."
    data: dict[str, object] = {"prompts": count, "repeated": again, "distinct": count - again}
    return [
        check.DISTINCT_PROMPTS.finding(
            Status.WARN, text, observed=str(count - again), known_by=KnownBy.OBSERVED, data=data
        )
    ]


def _measured(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Finding:
    level = checklist.items.modes.level
    sent, good = readings.all(mode, level), readings.good(mode, level)
    make = check.MEASURED.finding
    if mode not in checklist.modes:
        text = f"{mode} is to be adopted but is not configured."
        return make(Status.ERROR, text, mode=mode, remedy=f"name an endpoint for {mode} under `modes:`")
    if not sent:
        error = next((e for e in facts.errors if e.item == "modes" and e.mode in (mode, None)), None)
        why = error.summary if error else "no timed request was sent"
        return make(Status.ERROR, f"not timed at {level} streams: {why}.", mode=mode)
    if not good:
        errors = sorted({s.exchange.error.message for s in sent if s.exchange.error})[:2]
        why = "; ".join(errors) or "every answer was empty"
        return make(Status.ERROR, f"none of {len(sent)} requests came back usable: {why}.", mode=mode)
    prompts = len({s.prompt for s in good})
    return make(
        Status.PASS,
        f"{len(good)} of {len(sent)} requests on {prompts} prompts timed at {level} streams.",
        mode=mode,
        known_by=KnownBy.OBSERVED,
        data={"requests": len(sent), "usable": len(good), "prompts": prompts, "concurrency": level},
    )


def _speedup(mode: str, claim: speed.Claim | None) -> Finding:
    make = check.SPEEDUP.finding
    if claim is None:
        return make(Status.NOT_APPLICABLE, f"{mode} is the baseline: it is not compared with itself.", mode=mode)
    threshold = f"at least {claim.at_least:g}x"
    found = claim.estimate
    if found is None:
        text = f"{claim.reason} ({claim.baseline} and {mode} at {claim.concurrency} streams)."
        remedy = speed.settle(claim)
        return make(
            Status.INCONCLUSIVE, text, mode=mode, threshold=threshold, remedy=remedy, data=_needed(claim.needed)
        )
    shown = f"{found.ratio:.2f}x ({found.confidence * 100:g}% interval {found.low:.2f} to {found.high:.2f})"
    apart = f" ({found.clusters} independent)" if found.clusters < found.pairs else ""
    words = {
        Status.PASS: f"end to end {shown} as fast as {claim.baseline} on {found.pairs} prompts{apart}",
        Status.FAIL: f"end to end {shown} as fast as {claim.baseline}: below the {claim.at_least:g}x asked for",
    }.get(claim.status, f"end to end {shown} as fast as {claim.baseline}, open: {claim.reason}")
    if found.low <= 1:
        words += " (no gain shown)" if found.high >= 1 else " (a loss)"
    gone = f"; {found.slower_share:.0%} of the prompts got slower, the worst tenth {found.worst_decile:.2f}x."
    return make(
        claim.status,
        words + gone,
        mode=mode,
        observed=f"{found.ratio:.3f}x",
        threshold=threshold,
        known_by=KnownBy.OBSERVED,
        remedy=speed.settle(claim) if claim.status is Status.INCONCLUSIVE else None,
        data={
            "baseline": claim.baseline,
            "ratio": found.ratio,
            "low": found.low,
            "high": found.high,
            "confidence": found.confidence,
            "pairs": found.pairs,
            "independent": found.clusters,
            "method": found.method,
            "slower_share": found.slower_share,
            "worst_decile": found.worst_decile,
            "start_term": found.start,
            "unseen_term": found.unseen,
            "order_shift": found.shift,
            "tipping": claim.tipping,
            **_needed(claim.needed),
        },
    )


def _needed(sample: Needed | None) -> dict[str, object]:
    if sample is None:
        return {"prompts_needed": None, "minutes_needed": None, "usd_needed": None}
    return {"prompts_needed": sample.prompts, "minutes_needed": sample.minutes, "usd_needed": sample.usd}


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
