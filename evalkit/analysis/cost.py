"""What another sample takes: prompts, minutes and USD, from the times measured so far. Pure figures."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts


@dataclass(frozen=True, slots=True)
class Needed:
    """What a sample takes: prompts in every mode, with all repeats. None: not known."""

    prompts: int
    minutes: float | None = None
    usd: float | None = None


def gpus(facts: Facts, mode: str) -> int:
    """GPUs of a mode's server as it declares them; 1 where it does not."""
    endpoint = facts.endpoints.get(mode)
    sizes = [endpoint.settings.get(name) for name in ("tp_size", "dp_size", "pp_size")] if endpoint else []
    total = 1
    for size in sizes:
        total *= size if isinstance(size, int) and size > 0 else 1
    return total


def needed(checklist: Checklist, facts: Facts, readings: Readings, modes: tuple[str, ...], prompts: int) -> Needed:
    """Minutes and USD of timing `prompts` prompts in `modes` at `decide_at`, from the times measured so far."""
    item, price = checklist.items.modes, checklist.cost.usd_per_gpu_hour
    minutes = usd = 0.0
    for mode in dict.fromkeys(modes):
        times = [t for each in readings.times(mode, item.level).values() for t in each]
        if not times:
            return Needed(prompts)
        taken = fmean(times) / 60_000 * prompts * item.repeats / item.level
        minutes += taken
        usd += taken / 60 * (price or 0.0) * gpus(facts, mode)
    return Needed(prompts, minutes, usd if price is not None else None)
