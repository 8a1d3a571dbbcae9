"""The claim "this mode is faster than the baseline by at least so much", decided for all adopted modes together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean

from evalkit.checklist.schema import Checklist
from evalkit.findings import Status
from evalkit.items.modes_pairs import Readings
from evalkit.run.facts import Facts
from evalkit.stats.holm import levels as holm_levels
from evalkit.stats.planning import prompts_needed
from evalkit.stats.ratio import MIN_PAIRS, RatioEstimate, estimate, log_ratios, p_at_most
from evalkit.stats.sequential import confidence_of


@dataclass(frozen=True, slots=True)
class Claim:
    """What the pairs say of one mode at one concurrency. The estimate's confidence is the one asked for: over all
    preset looks together, and before Holm.
    """

    mode: str
    baseline: str
    concurrency: int
    estimate: RatioEstimate | None
    at_least: float
    status: Status
    reason: str
    #: prompts, minutes and USD that would settle it, where that can be said
    prompts: int | None = None
    minutes: float | None = None
    usd: float | None = None


def measure(
    readings: Readings, checklist: Checklist, mode: str, level: int, confidence: float, *, per_token: bool = False
) -> RatioEstimate | None:
    """The interval of one mode against the baseline at one concurrency."""
    baseline = checklist.baseline.speed
    read = readings.per_token if per_token else readings.times
    spread, freedom = readings.launch_spread((baseline, mode), level)
    return estimate(
        log_ratios(read(baseline, level), read(mode, level)),
        clusters=readings.clusters(baseline, level),
        confidence=confidence,
        extra_variance=spread,
        extra_df=freedom,
        seed=checklist.items.modes.seed,
    )


def confidence_at(checklist: Checklist, facts: Facts) -> float:
    """The confidence of intervals at `decide_at`: raised to that of the last preset look."""
    wanted = checklist.items.modes.confidence
    return max(wanted, confidence_of(facts.looks[-1].boundary)) if facts.looks else wanted


def claims(checklist: Checklist, facts: Facts, readings: Readings) -> dict[str, Claim]:
    """One claim for each mode but the baseline, at `decide_at`, with Holm over the adopted modes."""
    item = checklist.items.modes
    level, confidence = item.level, confidence_at(checklist, facts)
    modes = [mode for mode in checklist.modes if mode != checklist.baseline.speed]
    found = {
        mode: _of_look(facts, item.confidence, measure(readings, checklist, mode, level, confidence)) for mode in modes
    }
    target = item.speedup.at_least
    decided = {mode: _decide(checklist, readings, mode, found[mode]) for mode in modes}
    family = [m for m in checklist.adopted if decided.get(m) and decided[m].status is Status.PASS]
    if len(checklist.adopted) > 1:
        contenders = {m: _p_value(e, target) for m in checklist.adopted if (e := found.get(m)) is not None}
        stepping = True
        for mode, alpha in holm_levels(contenders, 1 - confidence).items():
            if mode not in family:
                stepping = False
                continue
            strict = measure(readings, checklist, mode, level, 1 - alpha)
            if not stepping or strict is None or strict.low < target:
                stepping = False
                reason = f"not shown once Holm counts {len(contenders)} claims"
                decided[mode] = _with_plan(checklist, readings, mode, found[mode], Status.INCONCLUSIVE, reason)
    return decided


def _p_value(found: RatioEstimate, target: float) -> float:
    """Of the claim that fails; a claim that cannot be tested comes last and holds up no other."""
    tested = min(found.pairs, found.clusters) >= MIN_PAIRS
    return p_at_most(found, target) if tested else 1.0


def _of_look(facts: Facts, wanted: float, found: RatioEstimate | None) -> RatioEstimate | None:
    """An interval at the bound of a preset look holds with the confidence asked for, over all looks together."""
    if found is None or not facts.looks:
        return found
    size = facts.looks[-1].prompts
    method = f"{found.method}, at the O'Brien-Fleming bound of the look at {size} prompts"
    return replace(found, confidence=wanted, method=method)


def _decide(checklist: Checklist, readings: Readings, mode: str, found: RatioEstimate | None) -> Claim:
    target = checklist.items.modes.speedup.at_least
    if found is None or found.pairs < MIN_PAIRS or found.clusters < MIN_PAIRS:
        have = 0 if found is None else min(found.pairs, found.clusters)
        reason = f"{have} prompts answered in both modes; no verdict below {MIN_PAIRS}"
        return _with_plan(checklist, readings, mode, found, Status.INCONCLUSIVE, reason)
    if found.low >= target:
        return _with_plan(checklist, readings, mode, found, Status.PASS, "")
    if found.high < target:
        return _with_plan(checklist, readings, mode, found, Status.FAIL, "")
    return _with_plan(checklist, readings, mode, found, Status.INCONCLUSIVE, "the interval holds the threshold")


def _with_plan(  # noqa: PLR0917  one private maker of claims
    checklist: Checklist, readings: Readings, mode: str, found: RatioEstimate | None, status: Status, reason: str
) -> Claim:
    item, baseline = checklist.items.modes, checklist.baseline.speed
    target = item.speedup.at_least
    prompts: int | None = None
    minutes: float | None = None
    usd: float | None = None
    if status is Status.INCONCLUSIVE and found is not None:
        prompts = prompts_needed(found.ratio, target, max(found.sd, 0.01), item.confidence)
        if prompts is not None:
            prompts = max(prompts, found.pairs + 1, MIN_PAIRS)
    elif status is Status.INCONCLUSIVE:
        prompts = 3 * MIN_PAIRS
    if prompts is not None:
        minutes = _minutes(readings, (baseline, mode), item.level, prompts * item.repeats)
        price = checklist.cost.usd_per_gpu_hour
        usd = None if price is None or minutes is None else price * minutes / 60
    return Claim(mode, baseline, item.level, found, target, status, reason, prompts, minutes, usd)


def _minutes(readings: Readings, modes: tuple[str, ...], level: int, requests: int) -> float | None:
    total = 0.0
    for mode in modes:
        times = [t for each in readings.times(mode, level).values() for t in each]
        if not times:
            return None
        total += fmean(times) / 1000 * requests / level
    return total / 60


def settle(claim: Claim) -> str:
    """What would settle an open claim, in words."""
    if claim.prompts is None:
        return "the gain lies so near the threshold that no affordable sample settles it: change `at_least`"
    words = f"about {claim.prompts} prompts"
    if claim.minutes is not None:
        words += f", {claim.minutes:.1f} minutes" if claim.minutes >= 0.1 else ", a few seconds"
    if claim.usd is not None:
        words += f", {claim.usd:.2f} USD"
    return words + " would settle it"
