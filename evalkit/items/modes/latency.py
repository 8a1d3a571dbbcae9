"""Latency targets and goodput of one mode, decided three-way. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.modes.checks import GOODPUT, LATENCY
from evalkit.stats.interval import Interval
from evalkit.stats.percentiles import Bounds, bounds, needed, percentile
from evalkit.stats.proportions import clopper_pearson

_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def _targets(checklist: Checklist) -> dict[str, float]:
    found = checklist.items.modes.latency.model_dump()
    return {name: float(value) for name, value in found.items() if value is not None}


def latency(checklist: Checklist, readings: Readings, mode: str) -> list[Finding]:
    """One finding for each target that is set. A failed request counts as slower than any target."""
    item = checklist.items.modes
    return [_one(readings, mode, item.level, wanted, item.confidence) for wanted in _targets(checklist).items()]


def _one(readings: Readings, mode: str, level: int, wanted: tuple[str, float], confidence: float) -> Finding:
    name, target = wanted
    metric, share, _ = name.split("_")
    values = readings.first_values(mode, level, metric)
    alone = min(readings.independent(mode, level), len(values))
    found = clustered_bounds(values, alone, _SHARES[share], confidence)
    prompts = f"{found.n} prompts" if alone == found.n else f"{found.n} prompts ({alone} independent)"
    least = needed(_SHARES[share], confidence)
    label = f"{metric.upper()} {share}"
    observed = "a failed request" if math.isinf(found.estimate) else f"{found.estimate:.0f} ms"
    status, remedy, enough = Status.INCONCLUSIVE, None, None
    if found.high is not None and found.high <= target:
        status, text = Status.PASS, f"{label} is {observed}, at most {found.high:.0f} ms, on {prompts}"
    elif found.low is not None and found.low > target:
        low = "a failed request" if math.isinf(found.low) else f"{found.low:.0f} ms"
        status, text = Status.FAIL, f"{label} is {observed}, at least {low}, on {prompts}"
    elif alone < least:
        text = f"{label} is {observed} on {prompts}; a bound needs {least}"
        remedy, enough = f"time {least} independent prompts or more", least
    else:
        text = f"{label} is {observed} on {prompts}; its bounds hold the target"
        remedy, enough = f"time about {4 * found.n} prompts, or relax the target", 4 * found.n
    return LATENCY[name].finding(
        status,
        f"{text} (target {target:g} ms, {level} streams).",
        mode=mode,
        observed=observed,
        threshold=f"at most {target:g} ms",
        known_by=KnownBy.OBSERVED,
        remedy=remedy,
        data={
            "low": _finite(found.low),
            "high": _finite(found.high),
            "n": found.n,
            "independent": alone,
            "needed": least,
            "prompts_needed": enough,
        },
    )


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


def goodput(checklist: Checklist, readings: Readings, mode: str) -> list[Finding]:
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
        text = "goodput is asked for, but no latency target says what is good."
        return [GOODPUT.finding(Status.INCONCLUSIVE, text, mode=mode, remedy="set `items.modes.latency`")]
    columns = [readings.first_values(mode, item.level, metric) for metric in limits]
    met = [all(v <= limit for v, limit in zip(row, limits.values(), strict=True)) for row in zip(*columns, strict=True)]
    alone = min(readings.independent(mode, item.level), len(met))
    found = _share(sum(met), len(met), alone, 2 * item.confidence - 1)
    status = Status.PASS if found.low >= asked else Status.FAIL if found.high < asked else Status.INCONCLUSIVE
    text = (
        f"{sum(met)} of {len(met)} requests meet every target ({found.low:.0%} to {found.high:.0%}; asked {asked:.0%})."
    )
    enough = max(59, 4 * len(met)) if status is Status.INCONCLUSIVE else None
    remedy = f"time about {enough} prompts" if enough else None
    return [
        GOODPUT.finding(
            status,
            text,
            mode=mode,
            observed=f"{found.estimate:.3f}" if met else None,
            threshold=f"at least {asked:g}",
            known_by=KnownBy.OBSERVED,
            remedy=remedy,
            data={
                "met": sum(met),
                "n": len(met),
                "independent": alone,
                "low": found.low,
                "high": found.high,
                "prompts_needed": enough,
            },
        )
    ]


def _share(met: int, n: int, independent: int, confidence: float) -> Interval:
    """The exact interval, as wide as on `independent` requests; each side rounded away from certainty."""
    if not n:
        return clopper_pearson(0, 0, confidence)
    least = clopper_pearson(math.floor(met * independent / n), independent, confidence)
    most = clopper_pearson(math.ceil(met * independent / n), independent, confidence)
    return Interval(least.low, most.high, met / n, least.method)
