"""What requests cost, prompt by prompt, and what another sample takes: prompts, minutes and USD. Pure figures."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from evalkit.analysis.readings import Readings
from evalkit.checklist.prices import Cost
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.timing.facts import TimedSample


@dataclass(frozen=True, slots=True)
class Needed:
    """What a sample takes: prompts in every mode, with all repeats. None: not known."""

    prompts: int
    minutes: float | None = None
    usd: float | None = None


def gpus(checklist: Checklist, facts: Facts, mode: str) -> int:
    """GPUs that one server of the mode is paid for: as many as it declares, or as the prices say where that is more."""
    endpoint = facts.endpoints.get(mode)
    sizes = [endpoint.settings.get(name) for name in ("tp_size", "dp_size", "pp_size")] if endpoint else []
    total = 1
    for size in sizes:
        total *= size if isinstance(size, int) and size > 0 else 1
    return max(total, checklist.prices(mode).gpus or 1)


def hourly(checklist: Checklist, facts: Facts, mode: str) -> float | None:
    """USD an hour of one server; None where it is not paid by the hour, or the price is not known."""
    price = checklist.prices(mode).usd_per_gpu_hour
    return None if price is None else price * gpus(checklist, facts, mode)


def by_prompt(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> dict[str, float] | None:
    """USD of one request of each prompt at the deciding concurrency: the mean of its readings.

    By the hour, requests in flight together share the server: the seconds of a request over the concurrency. By usage,
    every answered reply must carry its token counts. None without a price, or where a count is missing.
    """
    price, level = checklist.prices(mode), checklist.items.modes.level
    hour, good = hourly(checklist, facts, mode), readings.good(mode, level)
    if price.kind is None:
        return None
    found: dict[str, list[float]] = {}
    for one in good:
        usd = (one.exchange.e2e_us or 0) / 1e6 / level * hour / 3600 if hour is not None else billed(price, one)
        if usd is None:
            return None
        found.setdefault(one.prompt, []).append(usd)
    return {prompt: fmean(each) for prompt, each in found.items()}


def billed(price: Cost, sample: TimedSample) -> float | None:
    """USD of one request by its tokens and by itself; None where tokens are billed and were not counted."""
    usd = price.usd_per_request or 0.0
    counts = (sample.exchange.prompt_tokens, sample.exchange.completion_tokens)
    for count, each in zip(counts, (price.usd_per_million_input, price.usd_per_million_output), strict=True):
        if each and count is None:
            return None
        usd += (each or 0.0) * (count or 0) / 1e6
    return usd


def needed(checklist: Checklist, facts: Facts, readings: Readings, modes: tuple[str, ...], prompts: int) -> Needed:
    """Minutes and USD of timing `prompts` prompts in `modes` at `decide_at`, from the times measured so far.

    USD is None where the price of one of them, or what it bills, is not known.
    """
    item = checklist.items.modes
    minutes = 0.0
    usd: float | None = 0.0
    for mode in dict.fromkeys(modes):
        times = [fmean(each) for each in readings.times(mode, item.level).values()]
        if not times:
            return Needed(prompts)
        minutes += fmean(times) / 60_000 * prompts * item.repeats / item.level
        each = by_prompt(checklist, facts, readings, mode)
        usd = None if usd is None or not each else usd + fmean(each.values()) * prompts * item.repeats
    return Needed(prompts, minutes, usd)
