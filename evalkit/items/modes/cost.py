"""What requests cost, and what it would take to settle an open finding: prompts, minutes and USD. Pure."""

from __future__ import annotations

from statistics import fmean

from evalkit.analysis.cost import gpus, needed
from evalkit.analysis.pairs import pass_shares
from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.modes.checks import COST, SPEEDUP


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
