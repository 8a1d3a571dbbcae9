"""What the devices did while a mode was timed: mean power and energy per output token. Pure figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from evalkit.analysis.readings import Readings
from evalkit.facts import Facts
from evalkit.gpu.facts import TelemetrySample

#: intervals without any reading between them after which two readings no longer belong together
_GAP = 3.0


@dataclass(frozen=True, slots=True)
class Power:
    """`watts`: mean over all devices of the endpoint together, under load. `joules`: for 1,000 output tokens."""

    watts: float
    joules: float
    by_counter: bool


def telemetry_of(facts: Facts, mode: str, level: int) -> list[TelemetrySample]:
    """Readings of the devices that serve the mode; of every device when none could be tied to it."""
    tied = facts.hardware.endpoint_gpus.get(mode, ()) if facts.hardware else ()
    rows = (t for t in facts.telemetry if t.mode == mode and t.concurrency == level)
    return [t for t in rows if not tied or t.gpu in tied]


def power(facts: Facts, readings: Readings, mode: str, level: int) -> Power | None:
    """Mean power under load and energy for 1,000 output tokens; None without readings or token counts.

    From the device's energy counter where two readings follow each other directly, else from its power readings.
    Energy = power x time under load / tokens: requests in flight together share the time.
    """
    rows = telemetry_of(facts, mode, level)
    good = [s for s in readings.good(mode, level) if s.exchange.completion_tokens]
    tokens = sum(s.exchange.completion_tokens or 0 for s in good)
    by_gpu = {gpu: [t for t in rows if t.gpu == gpu] for gpu in dict.fromkeys(t.gpu for t in rows)}
    found = [one for each in by_gpu.values() if (one := _watts(each)) is not None]
    if not found or not tokens or len(found) < len(by_gpu):
        return None
    watts = sum(value for value, _ in found)
    seconds = sum((s.exchange.e2e_us or 0) / 1e6 for s in good) / level
    return Power(watts, 1000 * watts * seconds / tokens, all(counted for _, counted in found))


def _watts(rows: Sequence[TelemetrySample]) -> tuple[float, bool] | None:
    pairs = list(pairwise(rows))
    usual = median(b.at_ms - a.at_ms for a, b in pairs) if pairs else 0.0
    joules = seconds = 0.0
    for a, b in pairs:
        took = b.at_ms - a.at_ms
        if a.energy_mj is None or b.energy_mj is None or not 0 < took <= _GAP * usual or b.energy_mj < a.energy_mj:
            continue
        joules, seconds = joules + (b.energy_mj - a.energy_mj) / 1000, seconds + took / 1000
    if joules > 0 and seconds > 0:
        return joules / seconds, True
    read = [t.power_w for t in rows if t.power_w is not None]
    return (fmean(read), False) if read else None
