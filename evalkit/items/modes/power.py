"""What the devices did while a mode was timed: energy per output token, and whether they held their clocks. Pure."""

from __future__ import annotations

from evalkit.analysis.power import power, telemetry_of
from evalkit.analysis.readings import Readings
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.gpu.facts import SLOWDOWNS
from evalkit.items.modes.checks import ENERGY, THROTTLED

_THROTTLED_SHARE = 0.05


def energy(facts: Facts, readings: Readings, mode: str, level: int, baseline: str) -> Finding | None:
    """Energy for 1,000 output tokens, beside the baseline's; None where no device was watched."""
    mine = power(facts, readings, mode, level)
    if mine is None:
        return None
    text = f"{mine.joules:.0f} J for 1,000 output tokens at {level} streams, {mine.watts:.0f} W on average"
    theirs = power(facts, readings, baseline, level) if mode != baseline else None
    if theirs and mine.joules:
        text += f"; {theirs.joules / mine.joules:.2f}x less than {baseline}"
    how = "the energy counter" if mine.by_counter else "power readings"
    data: dict[str, object] = {
        "joules_per_1000_tokens": mine.joules, "watts": mine.watts,
        "baseline_joules_per_1000_tokens": theirs.joules if theirs else None,
    }  # fmt: skip
    known = KnownBy.OBSERVED
    return ENERGY.finding(Status.PASS, f"{text} (by {how}).", mode=mode, counts=False, known_by=known, data=data)


def throttled(facts: Facts, mode: str, level: int) -> Finding:
    """Whether the devices were slowed down against their will while the mode was timed."""
    rows = telemetry_of(facts, mode, level)
    if not rows:
        return THROTTLED.finding(Status.NOT_APPLICABLE, "no GPU was watched during timing.", mode=mode, counts=False)
    hot = [t for t in rows if SLOWDOWNS & set(t.throttle_reasons)]
    share = len(hot) / len(rows)
    reasons = ", ".join(sorted({r for t in hot for r in SLOWDOWNS & set(t.throttle_reasons)}))
    clocks = [t.sm_clock_mhz for t in rows if t.sm_clock_mhz is not None]
    heat = [t.temperature_c for t in rows if t.temperature_c is not None]
    seen = f", {min(clocks)} to {max(clocks)} MHz" if clocks else ""
    seen += f", up to {max(heat)} °C" if heat else ""
    status = Status.WARN if share > _THROTTLED_SHARE else Status.PASS
    text = f"slowed down in {share:.0%} of {len(rows)} readings{f' ({reasons})' if reasons else ''}{seen}."
    data: dict[str, object] = {
        "share": share, "readings": len(rows), "clock_mhz": [min(clocks), max(clocks)] if clocks else None,
        "temperature_c": max(heat, default=None), "reasons": reasons,
        "memory_bytes": max((t.memory_used_bytes for t in rows if t.memory_used_bytes is not None), default=None),
    }  # fmt: skip
    return THROTTLED.finding(status, text, mode=mode, known_by=KnownBy.OBSERVED, data=data)
