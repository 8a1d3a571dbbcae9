"""What requests cost, and what it would take to settle an open finding: prompts, minutes and USD. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from evalkit.analysis.pairs import pass_shares
from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.modes.checks import COST, SPEEDUP


@dataclass(frozen=True, slots=True)
class Needed:
    """What a sample takes: prompts in every mode, with all repeats. None: not known."""

    prompts: int
    minutes: float | None = None
    usd: float | None = None

    def __str__(self) -> str:
        words = f"about {self.prompts} prompts"
        if self.minutes is not None:
            words += f", {self.minutes:.1f} minutes" if self.minutes >= 0.1 else ", a few seconds"
        return words + (f", {self.usd:.2f} USD" if self.usd is not None else "")


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


def priced(checklist: Checklist, facts: Facts, readings: Readings, found: Finding) -> Finding:
    """An open finding of a mode with what another sample takes; others as they are.

    `prompts_needed` of its data is the sample that would settle it; without one, the sample of this run is meant.
    """
    if (
        found.status is not Status.INCONCLUSIVE
        or found.mode is None
        or not found.counts
        or found.id == SPEEDUP.id
        or "minutes_needed" in found.data
    ):
        return found
    level, pair = checklist.items.modes.level, (checklist.baseline.speed, found.mode)
    given = found.data.get("prompts_needed")
    prompts = given if isinstance(given, int) else len(readings.times(found.mode, level))
    if not prompts:
        return found
    sample = needed(checklist, facts, readings, pair, prompts)
    words = "that takes" if given is not None else "timing again takes"
    return found.model_copy(
        update={
            "remedy": f"{found.remedy}; {words} {sample}" if found.remedy else f"{words} {sample}",
            "data": {
                **found.data,
                "prompts_needed": prompts,
                "minutes_needed": sample.minutes,
                "usd_needed": sample.usd,
            },
        }
    )


def cost(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Finding | None:
    """USD for 1,000 requests and for 1,000 correct answers; None without a price or a reading.

    Requests in flight together share the GPUs: seconds of a request over the concurrency.
    """
    price, level = checklist.cost.usd_per_gpu_hour, checklist.items.modes.level
    good = readings.good(mode, level)
    if price is None or not good:
        return None
    cards = gpus(facts, mode)
    usd = 1000 * fmean((s.exchange.e2e_us or 0) / 1e6 for s in good) / level * cards * price / 3600
    scored = pass_shares(facts.answers, mode, checklist.baseline.quality).values()
    right = sum(scored) / len(scored) if scored else None
    text = f"{usd:.2f} USD for 1,000 requests at {level} streams on {cards} GPU{'s' if cards > 1 else ''}"
    if right:
        text += f", {usd / right:.2f} USD for 1,000 correct answers ({right:.0%} of {len(scored)} were)"
    elif right is not None:
        text += f"; none of {len(scored)} scored answers was correct"
    data: dict[str, object] = {
        "usd_per_1000": usd,
        "usd_per_1000_correct": usd / right if right else None,
        "gpus": cards,
    }
    return COST.finding(Status.PASS, text + ".", mode=mode, counts=False, known_by=KnownBy.INFERRED, data=data)
