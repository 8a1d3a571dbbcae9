"""Claims under open load: a mode against the baseline over blocks, decided for all adopted modes together. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from evalkit.analysis.capacity import capacity, edges_of
from evalkit.analysis.comparison import UNSEEN
from evalkit.analysis.load import CAPACITY, pairs
from evalkit.analysis.witness import crowded
from evalkit.checklist.load import MIN_BLOCKS
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.stats.distributions import t_cdf
from evalkit.stats.edge import Edge, MeanLog, mean_log
from evalkit.stats.ratio import Allowance
from evalkit.stats.sequential import holm_levels
from evalkit.timing.facts import LoadBlock


@dataclass(frozen=True, slots=True)
class LoadRatio:
    """A ratio of two modes over blocks. `low` and `high` hold the allowances for what was not sampled as well."""

    ratio: float
    low: float
    high: float
    confidence: float
    blocks: int
    error: float
    start: float
    unseen: float


def widened(found: MeanLog, allowance: Allowance, confidence: float, *, units: int) -> LoadRatio:
    """The interval over blocks with the allowances of a speed-up: starts on both sides, unseen prompts below."""
    mean = math.log(found.value)
    start, unseen = allowance.start, allowance.unseen(max(1, units), mean)
    down, up = mean - math.log(max(found.low, 1e-20)), math.log(found.high) - mean
    return LoadRatio(
        found.value, math.exp(mean - math.hypot(down, max(start, unseen))), math.exp(mean + math.hypot(up, start)),
        confidence, found.n, found.error, start, unseen,
    )  # fmt: skip


def allowance(start_sd: float, confidence: float) -> Allowance:
    """What blocks do not sample: starts of the servers, and prompts of kinds that were not drawn."""
    return Allowance(start_sd=start_sd, rare=UNSEEN, confidence=confidence)


def capacity_ratio(
    mine: Sequence[Edge], theirs: Sequence[Edge], confidence: float, allowed: Allowance, units: int
) -> LoadRatio | None:
    """Capacity of a mode over the baseline's, paired by block. An edge beyond the rates that were tried leaves the side
    open on which it could lie: a mode that is better than could be tried has no upper bound.
    """
    both = list(zip(mine, theirs, strict=False))
    found = mean_log([math.log(a.rate / b.rate) for a, b in both], confidence)
    if found is None:
        return None
    wide = widened(found, allowed, confidence, units=units)
    low_open = any(a.kind == "below" or b.kind == "above" for a, b in both)
    high_open = any(a.kind == "above" or b.kind == "below" for a, b in both)
    return LoadRatio(
        wide.ratio, 0.0 if low_open else wide.low, math.inf if high_open else wide.high, confidence, wide.blocks,
        wide.error, wide.start, wide.unseen,
    )  # fmt: skip


#: shown: the whole interval reaches the threshold; below: none of it does; not-after-holm: shown if it were alone;
#: unfinished: requests of the mode had not ended when its blocks were cut off; failed: many more than the baseline's
#: had no answer; coarse: a block counts too few requests for the share; crowded: the machine did other work
LoadOutcome = Literal[
    "shown", "below", "open", "not-after-holm", "too-few-blocks", "unfinished", "failed", "coarse", "crowded"
]
#: difference of the shares of requests without an answer that may be passed over, and the most of them
_FAILURE_SLACK, _MOST_FAILED = 0.01, 0.05


@dataclass(frozen=True, slots=True)
class LoadClaim:
    """What blocks say of one mode against the baseline. `needed`: blocks a mode that would likely settle it."""

    mode: str
    baseline: str
    at_least: float
    outcome: LoadOutcome
    ratio: LoadRatio | None
    needed: int | None = None


def ratio_of(
    checklist: Checklist, facts: Facts, mode: str, load: str, confidence: float
) -> tuple[LoadRatio | None, LoadOutcome | None]:
    """The ratio of `mode` to the baseline under one load (or of their capacities), and what keeps it from deciding."""
    item, baseline = checklist.items.modes, checklist.baseline.speed
    allowed, units = allowance(item.start_sd, confidence), _prompts_used(facts.loads, load)
    if load == CAPACITY:
        asked = item.capacity
        mine, theirs = edges_of(checklist, facts, mode), edges_of(checklist, facts, baseline)
        if asked is None:
            return None, "too-few-blocks"
        found = capacity_ratio(mine, theirs, confidence, allowed, units)
        if found is None or found.blocks < MIN_BLOCKS:
            return found, "too-few-blocks"
        whole = [c for each in (mine, theirs) if (c := capacity(each, asked, confidence)) is not None]
        coarse = any(c.requests * (1 - asked.slo.share) < 1 and not c.below for c in whole)
        return found, "coarse" if coarse else None
    both = pairs(facts.loads, load, baseline, mode)
    mean = mean_log(both.logs, confidence)
    if mean is None:
        return None, "too-few-blocks"
    found = widened(mean, allowed, confidence, units=units)
    if found.blocks < MIN_BLOCKS:
        return found, "too-few-blocks"
    if _fails_more(facts.loads, load, baseline, mode):
        return found, "failed"
    # an unfinished request lasts longer than it had: of the mode that flatters it, of the baseline it does not
    if both.mode_unfinished and found.high >= item.speedup.at_least:
        return found, "unfinished"
    if both.baseline_unfinished and found.high < item.speedup.at_least:
        return found, "unfinished"
    return found, None


def claims(checklist: Checklist, facts: Facts, load: str) -> dict[str, LoadClaim]:
    """One claim for each mode but the baseline, by Holm's rule over the adopted modes."""
    item, baseline = checklist.items.modes, checklist.baseline.speed
    target = item.capacity.at_least if load == CAPACITY and item.capacity else item.speedup.at_least
    busy = crowded(item, facts)
    found: dict[str, LoadClaim] = {}
    tested: dict[str, float] = {}
    for mode in (m for m in checklist.modes if m != baseline):
        ratio, why = ratio_of(checklist, facts, mode, load, item.confidence)
        outcome = "crowded" if busy else why or _three_way(ratio, target)
        found[mode] = LoadClaim(mode, baseline, target, outcome, ratio, _needed(ratio, target, outcome))
        if mode in checklist.adopted and ratio is not None:
            tested[mode] = _p(ratio, target)
    stepping = True
    for mode, alpha in holm_levels(tested, 1 - item.confidence).items() if len(tested) > 1 else ():
        claim = found[mode]
        strict, _ = ratio_of(checklist, facts, mode, load, 1 - alpha)
        held = claim.outcome == "shown" and strict is not None and strict.low >= target
        if claim.outcome == "shown" and not (stepping and held):
            found[mode] = replace(claim, outcome="not-after-holm", needed=2 * strict.blocks if strict else None)
        stepping = stepping and held
    return found


def _three_way(ratio: LoadRatio | None, target: float) -> LoadOutcome:
    if ratio is None:
        return "too-few-blocks"
    return "shown" if ratio.low >= target else "below" if ratio.high < target else "open"


def _p(ratio: LoadRatio, target: float) -> float:
    """Orders claims, by the t statistic."""
    if ratio.error <= 0:
        return 0.0 if ratio.ratio > target else 1.0
    return 1 - t_cdf((math.log(ratio.ratio) - math.log(target)) / ratio.error, ratio.blocks - 1)


def _needed(ratio: LoadRatio | None, target: float, outcome: LoadOutcome) -> int | None:
    """Blocks with which the interval would likely leave the threshold; None where no number of them would do."""
    if outcome not in ("open", "too-few-blocks"):
        return None
    if ratio is None or ratio.blocks < 2:
        return MIN_BLOCKS
    gap = abs(math.log(ratio.ratio) - math.log(target))
    room = gap * gap - max(ratio.start, ratio.unseen) ** 2
    if room <= 0:
        return MIN_BLOCKS if ratio.blocks < MIN_BLOCKS else None
    wanted = math.ceil((_REACH * ratio.error) ** 2 * ratio.blocks / room)
    return max(wanted, MIN_BLOCKS, ratio.blocks + 1) if wanted <= _MOST_BLOCKS else None


#: two-sided 95% and 80% power, in standard errors; more blocks than these are not named
_REACH, _MOST_BLOCKS = 2.9, 500


def _prompts_used(blocks: Iterable[LoadBlock], load: str) -> int:
    return len({number for block in blocks if block.load == load for number in block.prompts})


def _fails_more(blocks: Iterable[LoadBlock], load: str, baseline: str, mode: str) -> bool:
    shares = []
    for name in (baseline, mode):
        ends = Counter("".join(b.ends for b in blocks if b.load == load and b.mode == name))
        shares.append(sum(ends[letter] for letter in "srtxe") / max(1, ends.total()))
    return abs(shares[1] - shares[0]) > _FAILURE_SLACK or shares[1] > _MOST_FAILED
