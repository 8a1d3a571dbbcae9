"""Latency targets and goodput of one mode, decided three-way. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.findings import Finding, KnownBy
from evalkit.items.modes.checks import GOODPUT, LATENCY
from evalkit.items.modes.guard_words import Goodput, Percentile
from evalkit.stats.interval import Interval
from evalkit.stats.percentiles import SHARES, Bounds, bounds, needed, percentile
from evalkit.stats.proportions import clopper_pearson


def _targets(checklist: Checklist) -> dict[str, float]:
    found = checklist.items.modes.latency.model_dump()
    return {name: float(value) for name, value in found.items() if value is not None}


def latency(checklist: Checklist, readings: Readings, mode: str, *, reference: bool = False) -> list[Finding]:
    """One finding for each target that is set. A failed request counts as slower than any target.

    `reference`: a reference implementation served the mode, so that no target is decided.
    """
    return [_one(readings, mode, checklist, wanted, reference=reference) for wanted in _targets(checklist).items()]


def _one(readings: Readings, mode: str, checklist: Checklist, wanted: tuple[str, float], *, reference: bool) -> Finding:
    level, confidence = checklist.items.modes.level, checklist.items.modes.confidence
    name, target = wanted
    metric, share, _ = name.split("_")
    values = readings.first_values(mode, level, metric)
    alone = min(readings.independent(mode, level), len(values))
    found = clustered_bounds(values, alone, SHARES[share], confidence)
    least = needed(SHARES[share], confidence)
    outcome: Literal["within", "beyond", "too-few", "open", "reference"] = "open"
    enough: int | None = 4 * found.n
    if reference:
        outcome, enough = "reference", None
    elif found.high is not None and found.high <= target:
        outcome, enough = "within", None
    elif found.low is not None and found.low > target:
        outcome, enough = "beyond", None
    elif alone < least:
        outcome, enough = "too-few", least
    result = Percentile(
        outcome=outcome, label=f"{metric.upper()} {share}", target_ms=target, concurrency=level,
        observed_ms=_finite(found.estimate), low=_finite(found.low), high=_finite(found.high),
        low_failed=found.low is not None and math.isinf(found.low), n=found.n, independent=alone, needed=least,
        prompts_needed=enough,
    )  # fmt: skip
    return LATENCY[name].found(result, mode=mode, known_by=KnownBy.OBSERVED)


def clustered_bounds(values: Sequence[float], independent: int, share: float, confidence: float) -> Bounds:
    """As `bounds`, where prompts go together: with the ranks of a sample as small as `independent`.

    Exact for clusters of one size whose values are all alike, and wider than need be where they are not.
    """
    ordered, n = sorted(values), len(values)
    rank = bounds(range(1, independent + 1), share, confidence)
    low = None if rank.low is None else ordered[math.floor((rank.low - 1) * n / independent)]
    high = None if rank.high is None else ordered[math.ceil(rank.high * n / independent) - 1]
    return Bounds(low, high, percentile(ordered, share), n)


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def goodput(checklist: Checklist, readings: Readings, mode: str, *, reference: bool = False) -> list[Finding]:
    """Whether the asked share of requests meets every target at once; of several targets on one metric the widest."""
    asked = checklist.items.modes.goodput
    if asked is None:
        return []
    item = checklist.items.modes
    limits: dict[str, float] = {}
    for name, target in _targets(checklist).items():
        metric = name.split("_")[0]
        limits[metric] = max(target, limits.get(metric, 0.0))
    if not limits:
        return [GOODPUT.found(Goodput(outcome="no-target", asked=asked), mode=mode)]
    columns = [readings.first_values(mode, item.level, metric) for metric in limits]
    met = [all(v <= limit for v, limit in zip(row, limits.values(), strict=True)) for row in zip(*columns, strict=True)]
    alone = min(readings.independent(mode, item.level), len(met))
    found = _share(sum(met), len(met), alone, 2 * item.confidence - 1)
    outcome: Literal["met", "missed", "open", "reference"] = (
        "reference" if reference else "met" if found.low >= asked else "missed" if found.high < asked else "open"
    )
    result = Goodput(
        outcome=outcome, asked=asked, met=sum(met), n=len(met), independent=alone, low=found.low, high=found.high,
        prompts_needed=max(59, 4 * len(met)) if outcome == "open" else None,
    )  # fmt: skip
    return [GOODPUT.found(result, mode=mode, known_by=KnownBy.OBSERVED)]


def _share(met: int, n: int, independent: int, confidence: float) -> Interval:
    """The exact interval, as wide as on `independent` requests; each side rounded away from certainty."""
    if not n:
        return clopper_pearson(0, 0, confidence)
    least = clopper_pearson(math.floor(met * independent / n), independent, confidence)
    most = clopper_pearson(math.ceil(met * independent / n), independent, confidence)
    return Interval(least.low, most.high, met / n, least.method)
