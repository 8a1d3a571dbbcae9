"""What surrounded the timed requests: other work on the machine, and the way to each server. Pure."""

from __future__ import annotations

import math
from statistics import fmean

from evalkit.analysis.readings import Readings
from evalkit.analysis.speed import Claim
from evalkit.analysis.witness import crowd, crowded
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.modes import checks as check

_MOST_STEAL = 0.05


def witness(checklist: Checklist, facts: Facts, mode: str) -> list[Finding]:
    """What else the machine did; nothing where it was not seen."""
    seen = crowd(facts)
    if seen is None:
        return []
    others = [f"load {seen.load:.1f}" if seen.load is not None else "", f"steal {seen.steal:.1%}" if seen.steal else ""]
    rest = "".join(f", {text}" for text in others if text) + f" on {seen.cores} cores"
    make, data = check.WITNESS.finding, seen.model_dump(mode="json")
    if seen.outside_cpu is None:
        text = f"a server's process is not known, so other work on this machine is not told from it{rest}."
        return [make(Status.WARN, text, mode=mode, data=data)]
    text = f"other processes used {seen.outside_cpu:.0%} of the cores while modes were timed{rest}"
    status = Status.WARN if (seen.steal or 0.0) > _MOST_STEAL else Status.PASS
    most = checklist.items.modes.outside_cpu
    if crowded(facts, most):
        status = Status.INCONCLUSIVE
        text += ": the times are of a crowded machine"
    return [
        make(
            status, f"{text}.", mode=mode, observed=f"{seen.outside_cpu:.0%}", threshold=f"at most {most:.0%}",
            known_by=KnownBy.OBSERVED, data=data,
        )
    ]  # fmt: skip


def round_trip(checklist: Checklist, facts: Facts, readings: Readings, mode: str, claim: Claim | None) -> list[Finding]:
    """Whether the claim holds (or falls) without the difference of the two ways."""
    level, baseline = checklist.items.modes.level, checklist.baseline.speed
    ways = [served.round_trip_ms if (served := facts.endpoints.get(label)) else None for label in (mode, baseline)]
    if ways[0] is None or ways[1] is None or claim is None or claim.estimate is None:
        return []
    mine, theirs = readings.times(mode, level), readings.times(baseline, level)
    near = min(ways[0], ways[1])
    shifts = []
    for prompt in mine:
        if prompt in theirs:
            ours, base = fmean(mine[prompt]), fmean(theirs[prompt])
            shorter = max(ours - (ways[0] - near), ours / 100), max(base - (ways[1] - near), base / 100)
            shifts.append(math.log(shorter[1] / shorter[0]) - math.log(base / ours))
    if not shifts:
        return []
    factor = math.exp(fmean(shifts))
    found, target = claim.estimate, claim.at_least
    data: dict[str, object] = {"mode_ms": ways[0], "baseline_ms": ways[1], "ratio_without": found.ratio * factor}
    text = f"round trip {ways[0]:.1f} ms to {mode}, {ways[1]:.1f} ms to {baseline}"
    gained = claim.outcome == "shown" and found.low * factor < target
    lost = claim.outcome == "below" and found.high * factor >= target
    status = Status.PASS
    if gained or lost:
        status = Status.INCONCLUSIVE
        text += f": without the difference the ratio would be {found.ratio * factor:.2f}x, so the network may decide it"
    return [
        check.ROUND_TRIP.finding(
            status, f"{text}.", mode=mode, observed=f"{ways[0]:.1f} ms, {ways[1]:.1f} ms", known_by=KnownBy.OBSERVED,
            data=data,
        )
    ]  # fmt: skip
