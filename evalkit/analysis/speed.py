"""The claim "this mode is faster than the baseline by at least so much", decided for all adopted modes together."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from evalkit.analysis.comparison import UNSEEN, UNSEEN_REPLICATED, Comparison, Terms, compare, enough
from evalkit.analysis.cost import Needed, needed
from evalkit.analysis.readings import Readings
from evalkit.analysis.witness import crowded
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.serving.engines import engine_of
from evalkit.stats.planning import Sought, prompts_needed
from evalkit.stats.ratio import MIN_PAIRS, RatioEstimate, p_at_most, tipping
from evalkit.stats.sequential import confidence_of, holm_levels

#: shown: the whole interval reaches the threshold; below: none of it does; not-after-holm: shown if it were alone;
#: crowded: the machine was busy with other work; reference: a reference implementation served one of the two
Outcome = Literal[
    "shown", "below", "open", "not-after-holm", "too-few-prompts", "too-few-groups", "crowded", "reference"
]


@dataclass(frozen=True, slots=True)
class Claim:
    """What the pairs say of one mode at one concurrency. The estimate's confidence is the one asked for: over all
    preset looks together, and before Holm.
    """

    mode: str
    baseline: str
    concurrency: int
    comparison: Comparison | None
    at_least: float
    outcome: Outcome
    #: what would settle it, where that can be said
    needed: Needed | None = None

    @property
    def estimate(self) -> RatioEstimate | None:
        return self.comparison.estimate if self.comparison else None

    @property
    def tipping(self) -> float | None:
        """The spread between starts (sd of logs) at which a pass falls; None where starts were repeated, or no pass."""
        found = self.comparison
        if found is None or self.outcome != "shown" or found.servers == "replicated":
            return None
        return tipping(found.estimate, self.at_least, found.starts)


def terms(checklist: Checklist, level: int, confidence: float, *, planned: int | None = None) -> Terms:
    """As the checklist asks; `confidence` of the interval, before several claims are counted."""
    item = checklist.items.modes
    return Terms(level, confidence, item.confidence, item.start_sd, planned, item.seed)


def measure(
    readings: Readings, checklist: Checklist, mode: str, level: int, confidence: float, *, per_token: bool = False
) -> RatioEstimate | None:
    """The interval of one mode against the baseline at one concurrency."""
    read = readings.read(level, per_token=per_token)
    found = compare(read, checklist.baseline.speed, mode, terms(checklist, level, confidence))
    return found.estimate if found else None


def decided_terms(checklist: Checklist, facts: Facts) -> Terms:
    """At `decide_at`: the confidence is raised to that of the last preset look; a run that a look ended has a plan."""
    item = checklist.items.modes
    last = facts.looks[-1] if facts.looks else None
    confidence = max(item.confidence, confidence_of(last.boundary)) if last else item.confidence
    planned = None
    if last is not None and last.stopped:
        planned = last.planned or sum(p.count - p.repeated for p in facts.prompts) or None
    return terms(checklist, item.level, confidence, planned=planned)


def claims(checklist: Checklist, facts: Facts, readings: Readings) -> dict[str, Claim]:
    """One claim for each mode but the baseline, at `decide_at`, with Holm over the adopted modes. On a machine that was
    busy with other work, or by a reference implementation, a claim is open: neither shown nor refuted.
    """
    decided = _claims(checklist, facts, readings)
    busy = crowded(checklist.items.modes, facts) is not None
    return {mode: _open(one, facts, crowded=busy) for mode, one in decided.items()}


def _open(claim: Claim, facts: Facts, *, crowded: bool) -> Claim:
    if reference(facts, claim.mode) or reference(facts, claim.baseline):
        return replace(claim, outcome="reference", needed=None)
    return replace(claim, outcome="crowded", needed=None) if crowded else claim


def reference(facts: Facts, label: str) -> str:
    """What the times of a mode are called where a reference implementation serves it; else empty."""
    served = facts.endpoints.get(label)
    return engine_of(served.engine).timing_label if served else ""


def _claims(checklist: Checklist, facts: Facts, readings: Readings) -> dict[str, Claim]:
    item = checklist.items.modes
    asked = decided_terms(checklist, facts)
    read = readings.read(item.level)
    modes = [mode for mode in checklist.modes if mode != checklist.baseline.speed]
    found = {mode: compare(read, checklist.baseline.speed, mode, asked) for mode in modes}
    decided = {
        mode: _with_plan(checklist, facts, readings, mode, one, _outcome(checklist, one)) for mode, one in found.items()
    }
    if len(checklist.adopted) < 2:
        return decided
    target = item.speedup.at_least
    tested = {m: _p_value(e, target, item.level) for m in checklist.adopted if (e := found.get(m)) is not None}
    stepping = True
    for mode, alpha in holm_levels(tested, 1 - asked.confidence).items():
        if decided[mode].outcome != "shown":
            stepping = False
            continue
        share = alpha / (1 - asked.confidence)
        strict = replace(asked, confidence=1 - alpha, stated=1 - (1 - asked.stated) * share)
        held = compare(read, checklist.baseline.speed, mode, strict)
        if not stepping or held is None or held.estimate.low < target:
            stepping = False
            decided[mode] = _with_plan(checklist, facts, readings, mode, found[mode], "not-after-holm")
    return decided


def _p_value(found: Comparison, target: float, level: int) -> float:
    """Of the claim that fails; a claim that cannot be tested comes last and holds up no other."""
    return p_at_most(found.estimate, target) if enough(found, level) else 1.0


def _of_look(facts: Facts, wanted: float, found: Comparison | None) -> Comparison | None:
    """An interval at the bound of a preset look holds with the confidence asked for, over all looks together."""
    if found is None or not facts.looks:
        return found
    size, one = facts.looks[-1].prompts, found.estimate
    method = f"{one.method}, at the O'Brien-Fleming bound of the look at {size} prompts"
    return replace(found, estimate=replace(one, confidence=wanted, method=method))


def _outcome(checklist: Checklist, found: Comparison | None) -> Outcome:
    """Of one claim by itself."""
    item = checklist.items.modes
    if found is None or min(found.estimate.pairs, found.estimate.clusters) < MIN_PAIRS:
        return "too-few-prompts"
    if not enough(found, item.level):
        return "too-few-groups"
    if found.estimate.low >= item.speedup.at_least:
        return "shown"
    return "below" if found.estimate.high < item.speedup.at_least else "open"


def _with_plan(  # noqa: PLR0917  one private maker of claims
    checklist: Checklist,
    facts: Facts,
    readings: Readings,
    mode: str,
    found: Comparison | None,
    outcome: Outcome,
) -> Claim:
    item, baseline = checklist.items.modes, checklist.baseline.speed
    prompts: int | None = None
    if outcome not in {"shown", "below"}:
        prompts = prompts_needed(sought(checklist, facts, found)) if found else None
        if prompts is None and outcome in {"too-few-prompts", "too-few-groups"}:
            prompts = 3 * MIN_PAIRS
        if prompts is not None:
            least = 2 * item.level if item.level > 1 else MIN_PAIRS
            prompts = max(prompts, found.estimate.pairs + 1 if found else 0, MIN_PAIRS, least)
    sample = None if prompts is None else needed(checklist, facts, readings, (baseline, mode), prompts)
    return Claim(
        mode, baseline, item.level, _of_look(facts, item.confidence, found), item.speedup.at_least, outcome, sample,
    )  # fmt: skip


def sought(checklist: Checklist, facts: Facts, found: Comparison) -> Sought:
    """What another sample would have to show, reckoned with the claims, looks and allowances of this one."""
    item, one = checklist.items.modes, found.estimate
    replicated = found.servers == "replicated"
    return Sought(
        ratio=one.ratio,
        at_least=item.speedup.at_least,
        sd=max(one.sd, 0.01),
        known=one.clusters,
        confidence=1 - (1 - item.confidence) / max(1, len(checklist.adopted)),
        start=one.start,
        rare=UNSEEN_REPLICATED if replicated else UNSEEN,
        looks=bool(facts.looks),
    )


def without_way(
    readings: Readings, modes: tuple[str, str], round_trips: tuple[float, float], level: int
) -> float | None:
    """By what factor the speed-up of the first of `modes` over the second (the baseline) changes when both servers are
    as near as the nearer one. `round_trips`: in ms, in the same order. None without a prompt of both.
    """
    mine, theirs = (readings.times(mode, level) for mode in modes)
    near = min(round_trips)
    shifts = []
    for prompt in mine.keys() & theirs.keys():
        ours, base = fmean(mine[prompt]), fmean(theirs[prompt])
        shorter = max(ours - (round_trips[0] - near), ours / 100), max(base - (round_trips[1] - near), base / 100)
        shifts.append(math.log(shorter[1] / shorter[0]) - math.log(base / ours))
    return math.exp(math.fsum(shifts) / len(shifts)) if shifts else None
