"""From a pilot of a few prompts to the sample: how many prompts, what they show, and what they cost. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from evalkit.run.plan.schedule import Plan
from evalkit.stats.planning import TYPICAL_SD, Sought, detectable_ratio
from evalkit.stats.ratio import MIN_PAIRS, log_ratios
from evalkit.timing.facts import Pilot

PILOT_PROMPTS = 10


@dataclass(frozen=True)
class Means:
    """What is left for the timed requests when the sample is fixed."""

    seconds: float | None = None
    requests: int | None = None


def interleaved(plan: Plan, times: Mapping[str, Mapping[str, Sequence[float]]], prompts: int, sought: Sought) -> Pilot:
    """Of modes that are up together: from the plan's own first prompts, read in every mode. All prompts are timed."""
    base = {p: modes[plan.baseline] for p, modes in times.items()}
    others = [mode for mode in plan.modes if mode != plan.baseline] or [plan.baseline]
    spreads = {mode: _spread(log_ratios(base, {p: times[p][mode] for p in times})) for mode in others}
    widest = max(spreads, key=lambda mode: spreads[mode])
    e2e = fmean(t for modes in times.values() for each in modes.values() for t in each)
    seconds = len(plan.requests) * e2e / 1000 * fmean(1 / level for level in plan.concurrency)
    return Pilot(
        mode=widest,
        read=len(times),
        e2e_ms=round(e2e, 3),
        sd=round(spreads[widest], 4),
        prompts=prompts,
        detects=_detects(prompts, replace(sought, sd=spreads[widest])),
        requests=len(plan.requests),
        minutes=round(seconds / 60, 2),
    )


def of_baseline(
    plan: Plan,
    mode: str,
    times: Mapping[str, Sequence[float]],
    tokens: Sequence[int],
    prompts: int,
    *,
    sought: Sought,
    means: Means,
) -> Pilot:
    """Of servers that are started one after the other: from two readings of the first mode alone.

    Fixes how many prompts every mode gets, from what is left of the budget and as if all modes were as slow as this
    one. The spread is at least the typical one: how prompts differ in gain is not seen yet.
    """
    within = _spread(log_ratios({p: t[:1] for p, t in times.items()}, {p: t[1:2] for p, t in times.items()}))
    e2e = fmean(t for each in times.values() for t in each) if times else 0.0
    per_prompt = plan.repeats * len(plan.modes)
    seconds = per_prompt * e2e / 1000 * sum(1 / level for level in plan.concurrency)
    affordable = [prompts]
    if means.seconds is not None and seconds > 0:
        affordable.append(int(means.seconds / seconds))
    if means.requests is not None:
        affordable.append(means.requests // (per_prompt * len(plan.concurrency)))
    fixed = min(prompts, max(MIN_PAIRS, min(affordable)))
    note = "" if fixed == prompts else f"{fixed} of {prompts} prompts: the budget affords no more"
    if min(affordable) < fixed:
        note = f"the budget affords {min(affordable)} prompts; {fixed} are the fewest that decide anything"
    sd = max(TYPICAL_SD, within)
    return Pilot(
        mode=mode,
        read=len(times),
        extra_requests=sum(len(t) for t in times.values()),
        e2e_ms=round(e2e, 3),
        output_tokens=fmean(tokens) if tokens else None,
        sd=round(sd, 4),
        prompts=fixed,
        detects=_detects(fixed, replace(sought, sd=sd)),
        requests=fixed * per_prompt * len(plan.concurrency),
        tokens=round(fmean(tokens) * fixed * per_prompt * len(plan.concurrency)) if tokens else None,
        minutes=round(seconds * fixed / 60, 2),
        note=note,
    )


def _detects(prompts: int, sought: Sought) -> float | None:
    """None where so few prompts show no ratio at all."""
    ratio = detectable_ratio(prompts, sought)
    return round(ratio, 4) if math.isfinite(ratio) else None


def _spread(logs: Mapping[str, float]) -> float:
    return stdev(logs.values()) if len(logs) >= 2 else TYPICAL_SD


def words(pilot: Pilot) -> str:
    """The pilot in a sentence."""
    note = f" ({pilot.note})" if pilot.note else ""
    shows = "too few to show any speed-up"
    if pilot.detects is not None:
        shows = f"can show a speed-up {pilot.detects - 1:.0%} above the threshold"
    return f"{pilot.prompts} prompts, {pilot.requests} requests, about {_minutes(pilot.minutes)}; {shows}{note}"


def _minutes(minutes: float) -> str:
    return f"{60 * minutes:.0f} s" if minutes < 2 else f"{minutes:.0f} min"
