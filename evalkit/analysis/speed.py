"""The claim "this mode is faster than the baseline by at least so much", decided for all adopted modes together."""

from __future__ import annotations

from dataclasses import dataclass, replace

from evalkit.analysis.readings import Readings, effective
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Status
from evalkit.items.modes.cost import Needed, needed
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
    #: what would settle it, where that can be said
    needed: Needed | None = None


def measure(
    readings: Readings, checklist: Checklist, mode: str, level: int, confidence: float, *, per_token: bool = False
) -> RatioEstimate | None:
    """The interval of one mode against the baseline at one concurrency. Its `clusters` are those of equal weight."""
    baseline = checklist.baseline.speed
    read = readings.per_token if per_token else readings.times
    spread, freedom = readings.launch_spread((baseline, mode), level)
    logs, clusters = log_ratios(read(baseline, level), read(mode, level)), readings.clusters(baseline, level)
    found = estimate(
        logs,
        clusters=clusters,
        confidence=confidence,
        extra_variance=spread,
        extra_df=freedom,
        seed=checklist.items.modes.seed,
    )
    return found and replace(found, clusters=effective(clusters.get(prompt) for prompt in logs))


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
    decided = {mode: _decide(checklist, facts, readings, mode, found[mode]) for mode in modes}
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
                decided[mode] = _with_plan(checklist, facts, readings, mode, found[mode], Status.INCONCLUSIVE, reason)
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


def _decide(checklist: Checklist, facts: Facts, readings: Readings, mode: str, found: RatioEstimate | None) -> Claim:
    target = checklist.items.modes.speedup.at_least
    if found is None or found.pairs < MIN_PAIRS or found.clusters < MIN_PAIRS:
        have = 0 if found is None else min(found.pairs, found.clusters)
        apart = " independent" if found is not None and found.clusters < found.pairs else ""
        reason = f"{have}{apart} prompts answered in both modes; no verdict below {MIN_PAIRS}"
        return _with_plan(checklist, facts, readings, mode, found, Status.INCONCLUSIVE, reason)
    if found.low >= target:
        return _with_plan(checklist, facts, readings, mode, found, Status.PASS, "")
    if found.high < target:
        return _with_plan(checklist, facts, readings, mode, found, Status.FAIL, "")
    return _with_plan(checklist, facts, readings, mode, found, Status.INCONCLUSIVE, "the interval holds the threshold")


def _with_plan(  # noqa: PLR0917  one private maker of claims
    checklist: Checklist,
    facts: Facts,
    readings: Readings,
    mode: str,
    found: RatioEstimate | None,
    status: Status,
    reason: str,
) -> Claim:
    item, baseline = checklist.items.modes, checklist.baseline.speed
    target = item.speedup.at_least
    prompts: int | None = None
    if status is Status.INCONCLUSIVE and found is not None:
        prompts = prompts_needed(found.ratio, target, max(found.sd, 0.01), item.confidence)
        if prompts is not None:
            prompts = max(prompts, found.pairs + 1, MIN_PAIRS)
    elif status is Status.INCONCLUSIVE:
        prompts = 3 * MIN_PAIRS
    sample = None if prompts is None else needed(checklist, facts, readings, (baseline, mode), prompts)
    return Claim(mode, baseline, item.level, found, target, status, reason, sample)


def settle(claim: Claim) -> str:
    """What would settle an open claim, in words."""
    if claim.needed is None:
        return "the gain lies so near the threshold that no affordable sample settles it: change `at_least`"
    return f"{claim.needed} would settle it"
