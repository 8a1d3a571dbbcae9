"""What a mode is worth, for information: energy, clocks, levels, the frontier; and what would settle a finding.

Pure.
"""

from __future__ import annotations

from typing import Literal

from evalkit.analysis import speed
from evalkit.analysis.cost import needed
from evalkit.analysis.frontier import frontier as frontier_points
from evalkit.analysis.power import power, telemetry_of
from evalkit.analysis.readings import Readings, geometric
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.gpu.facts import SLOWDOWNS
from evalkit.items.modes import checks as check
from evalkit.items.modes import worth_words as words
from evalkit.stats.ratio import RatioEstimate, log_ratios

#: share of the readings in which a device may be slowed down
_THROTTLED_SHARE = 0.05
#: difference of lengths from which a server does not honour ignore_eos
_SAME_LENGTH = 0.02


def priced(checklist: Checklist, facts: Facts, readings: Readings, found: Finding) -> Finding:
    """An open finding of a mode with what another sample takes; others as they are.

    `prompts_needed` of its data is the sample that would settle it; without one, the sample of this run is meant.
    """
    if (
        found.status is not Status.INCONCLUSIVE
        or found.mode is None
        or not found.counts
        or found.id == check.SPEEDUP.id
        or "minutes_needed" in found.data
    ):
        return found
    level, pair = checklist.items.modes.level, (checklist.baseline.speed, found.mode)
    given = found.data.get("prompts_needed")
    prompts = given if isinstance(given, int) else len(readings.times(found.mode, level))
    if not prompts:
        return found
    sample = needed(checklist, facts, readings, pair, prompts)
    takes = {"prompts_needed": prompts, "minutes_needed": sample.minutes, "usd_needed": sample.usd}
    remedy = words.priced_words(found.remedy, sample, enough=given is not None)
    return found.model_copy(update={"remedy": remedy, "data": found.data | takes})


def information(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> list[Finding]:
    """What is said of one mode in addition to what decides."""
    found = (
        _levels(checklist, readings, mode),
        _fixed_length(checklist, facts, mode),
        _energy(checklist, facts, readings, mode),
    )
    return [one for one in found if one is not None]


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
    outcome: Literal["wins", "ends", "none-measured"] = "wins" if lost is None else "ends"
    values = words.Levels(
        outcome=outcome if ratios else "none-measured", crossover=lost,
        ratios={level: e.ratio for level, e in ratios.items()},
    )  # fmt: skip
    return check.LEVELS.found(values, mode=mode, counts=False)


def _fixed_length(checklist: Checklist, facts: Facts, mode: str) -> Finding | None:
    """Per token at forced length, next to the decided ratio."""
    item, baseline = checklist.items.modes, checklist.baseline.speed
    if not item.fixed_length or mode == baseline:
        return None
    readings = Readings(facts.timed, fixed_length=True)
    found = speed.measure(readings, checklist, mode, item.level, item.confidence, per_token=True)
    if found is None:
        sent, failed = len(readings.all(mode, item.level)), readings.failed(mode, item.level)
        none = words.FixedLength(outcome="not-available", requests=sent, failed=failed)
        return check.FIXED_LENGTH.found(none, mode=mode, counts=False)
    length = geometric(log_ratios(readings.tokens(mode, item.level), readings.tokens(baseline, item.level)))
    differs = length is not None and abs(length - 1) > _SAME_LENGTH
    values = words.FixedLength(
        outcome="not-honoured" if differs else "measured", ratio=found.ratio, low=found.low, high=found.high,
        pairs=found.pairs, length_ratio=length,
    )  # fmt: skip
    return check.FIXED_LENGTH.found(values, mode=mode, counts=False, known_by=KnownBy.OBSERVED)


def _energy(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Finding | None:
    """Energy for 1,000 output tokens, next to the baseline's; None where no device was watched."""
    level, baseline = checklist.items.modes.level, checklist.baseline.speed
    mine = power(facts, readings, mode, level)
    if mine is None:
        return None
    theirs = power(facts, readings, baseline, level) if mode != baseline else None
    values = words.Energy(
        outcome="by-counter" if mine.by_counter else "by-power", baseline=baseline, concurrency=level,
        joules_per_1000_tokens=mine.joules, watts=mine.watts,
        baseline_joules_per_1000_tokens=theirs.joules if theirs else None,
    )  # fmt: skip
    return check.ENERGY.found(values, mode=mode, counts=False, known_by=KnownBy.OBSERVED)


def throttled(facts: Facts, mode: str, level: int) -> Finding:
    """Whether the devices were slowed down against their will while the mode was timed."""
    rows = telemetry_of(facts, mode, level)
    if not rows:
        return check.THROTTLED.found(words.Throttled(outcome="not-watched"), mode=mode, counts=False)
    hot = [t for t in rows if SLOWDOWNS & set(t.throttle_reasons)]
    part = len(hot) / len(rows)
    clocks = [t.sm_clock_mhz for t in rows if t.sm_clock_mhz is not None]
    values = words.Throttled(
        outcome="throttled" if part > _THROTTLED_SHARE else "held", share=part, readings=len(rows),
        reasons=tuple(sorted({r for t in hot for r in SLOWDOWNS & set(t.throttle_reasons)})),
        clock_mhz=(min(clocks), max(clocks)) if clocks else None,
        temperature_c=max((t.temperature_c for t in rows if t.temperature_c is not None), default=None),
        memory_bytes=max((t.memory_used_bytes for t in rows if t.memory_used_bytes is not None), default=None),
    )  # fmt: skip
    return check.THROTTLED.found(values, mode=mode, known_by=KnownBy.OBSERVED)


def frontier(checklist: Checklist, facts: Facts, readings: Readings) -> Finding | None:
    """Which configurations are worth having; None with fewer than two in addition to the baseline."""
    points = frontier_points(checklist, facts, readings)
    if len([p for p in points if p.mode != checklist.baseline.speed]) < 2:
        return None
    return check.FRONTIER.found(words.Frontier(points=points), counts=False, known_by=KnownBy.OBSERVED)
