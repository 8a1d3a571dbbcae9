"""One mode against the baseline, from their readings: what one interval may assume. Pure.

The unit is what was randomised: the prompt at concurrency 1, the batch above, the start where servers were started.
Looks during a run and the decision after it use the same function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, variance
from typing import Literal

from evalkit.analysis.order import CAREFUL, Order, Reading, batches, contrasts, executed, shift
from evalkit.stats.distributions import t_quantile
from evalkit.stats.ratio import MIN_PAIRS, Allowance, RatioEstimate, Shift, Spread, estimate, launch_variance
from evalkit.stats.trend import line_at

#: the rule of three: a share of 3/n stays unseen in 5% of samples of n; 3.7 where no start term covers for it
UNSEEN, UNSEEN_REPLICATED = 3.0, 3.7
#: stated spread of the log time between starts of one server, where the checklist gives none
START_SD = 0.03


#: looks that may end a run before its plan: the trend line is held to their number, since any of them may be wrong
_EARLY_LOOKS = 3
#: how the servers of a pair were started
Servers = Literal["replicated", "bracketed", "in-turn", "apart"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a comparison is asked for. `confidence`: of the interval at this look; `stated`: of the claim as a whole,
    for what no look changes. `planned`: prompts of the plan, where a look ends the run before it; else None.
    """

    level: int = 1
    confidence: float = 0.95
    stated: float = 0.95
    start_sd: float = START_SD
    planned: int | None = None
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """The interval, and what went into it.

    `servers`: replicated, bracketed, in-turn or apart (one start each, one after the other). `groups`: of at least
    `level` prompts above concurrency 1. `starts`: sum over both modes of 1 / starts.
    """

    estimate: RatioEstimate
    order: Order
    servers: Servers
    starts: float
    groups: int
    #: change between the two starts that bracket the mode (log); 0 without
    bracket: float = 0.0


def compare(readings: Sequence[Reading], baseline: str, mode: str, terms: Terms) -> Comparison | None:
    """`mode` against `baseline`; `readings` are those of all modes at one level. None with fewer than two units."""
    ordered = executed(readings)
    pair = [r for r in ordered if r.mode in (baseline, mode)]
    logs = log_ratios(pair, baseline, mode)
    clusters = {r.unit: r.cluster for r in reversed(pair)}
    in_turn = interleaved(pair, baseline, mode)
    order = contrasts(ordered, (baseline, mode), single=terms.level == 1, in_turn=in_turn)
    servers, starts, spread, bracket = _servers(ordered, baseline, mode, in_turn=in_turn)
    group_of = {r.unit: r.group for r in reversed(pair)} if terms.level > 1 else None
    spreads = [spread] if servers == "replicated" else []
    if group_of is not None and servers != "replicated":
        spreads.append(batch_spread(pair, logs, group_of))
    replicated = servers == "replicated"
    allowance = Allowance(
        start_sd=0.0 if replicated else terms.start_sd,
        starts=starts,
        rare=UNSEEN_REPLICATED if replicated else UNSEEN,
        apart=abs(bracket) / 2,
        confidence=terms.stated,
    )
    moved = shift(order, baseline, mode)
    found = estimate(
        logs, clusters=clusters, batches=group_of, confidence=terms.confidence, spreads=spreads, shift=moved,
        careful=shift(order, baseline, mode, CAREFUL), allowance=allowance, seed=terms.seed,
    )  # fmt: skip
    if found is None:
        return None
    if terms.planned is not None:
        found = _along_the_plan(found, moved, logs, _places(ordered), clusters, group_of, terms)
    sizes: dict[int, set[str]] = {}
    for r in pair:
        sizes.setdefault(r.group, set()).add(r.unit)
    full = sum(len(prompts) >= terms.level for prompts in sizes.values())
    return Comparison(found, order, servers, starts, full, bracket)


def divided(terms: Terms, claims: int) -> Terms:
    """The terms of one of several claims that are tested together, by Bonferroni."""
    return replace(terms, confidence=1 - (1 - terms.confidence) / claims, stated=1 - (1 - terms.stated) / claims)


def enough(found: Comparison, level: int) -> bool:
    """Whether a sample is large enough for a verdict: units, and above concurrency 1 full groups."""
    return min(found.estimate.pairs, found.estimate.clusters) >= MIN_PAIRS and (level == 1 or found.groups >= 2)


def log_ratios(readings: Sequence[Reading], baseline: str, mode: str) -> dict[str, float]:
    """log(baseline / mode) of each prompt that was answered in both; repeats averaged as logs."""
    read: dict[str, tuple[list[float], list[float]]] = {}
    for r in readings:
        if r.log is not None and r.mode in (baseline, mode):
            read.setdefault(r.unit, ([], []))[r.mode == mode].append(r.log)
    return {unit: fmean(base) - fmean(mine) for unit, (base, mine) in read.items() if base and mine}


def interleaved(readings: Sequence[Reading], one: str, other: str) -> bool:
    """Whether two modes were timed in turn rather than one after the other."""
    mine = [r.at for r in readings if r.mode == one]
    theirs = [r.at for r in readings if r.mode == other]
    if not mine or not theirs or any(r.launch for r in readings):
        return False
    return min(mine) < max(theirs) and min(theirs) < max(mine)


def by_launch(readings: Sequence[Reading], mode: str) -> list[list[float]]:
    """Log times of a mode's starts, of the prompts that were answered in each of them."""
    found: dict[int, dict[str, list[float]]] = {}
    for r in readings:
        if r.mode == mode and r.log is not None:
            found.setdefault(r.launch, {}).setdefault(r.unit, []).append(r.log)
    common = set.intersection(*(set(prompts) for prompts in found.values())) if found else set()
    return [[fmean(found[n][p]) for p in sorted(common)] for n in sorted(found)] if common else []


def batch_spread(readings: Sequence[Reading], logs: Mapping[str, float], group_of: Mapping[str, int]) -> Spread:
    """Variance of the mean log ratio from batch to batch, out of the repeats of each mode's groups.

    Degrees of freedom by Satterthwaite on the weights of the groups: 2 x groups x (repeats - 1) where groups are equal.
    """
    sizes: dict[int, int] = {}
    for unit in logs:
        sizes[group_of[unit]] = sizes.get(group_of[unit], 0) + 1
    total = sum(sizes.values())
    means: dict[tuple[str, int], list[float]] = {}
    answered: dict[tuple[str, int], list[dict[str, float]]] = {}
    for batch in batches(readings):
        each = {r.unit: r.log for r in batch if r.log is not None and r.unit in logs}
        answered.setdefault((batch[0].mode, batch[0].group), []).append(each)
    for key, repeats in answered.items():
        common = set.intersection(*(set(each) for each in repeats))
        if common:
            means[key] = [fmean(each[unit] for unit in common) for each in repeats]
    weights = [((sizes.get(group, 0) / total) ** 2 / len(m), m) for (_, group), m in means.items() if len(m) > 1]
    if not weights or not total:
        return Spread(0.0, 1.0)
    pooled = math.fsum(weight for weight, _ in weights)
    df = pooled**2 / math.fsum(weight * weight / (len(m) - 1) for weight, m in weights) if pooled else 1.0
    return Spread(math.fsum(weight * variance(m) for weight, m in weights), max(df, 1.0))


def _servers(
    readings: Sequence[Reading], baseline: str, mode: str, *, in_turn: bool
) -> tuple[Servers, float, Spread, float]:
    """How the servers of a pair were started, 1 / starts summed, the spread of starts, and the bracket's change."""
    starts = {name: by_launch(readings, name) for name in dict.fromkeys(r.mode for r in readings)}
    count = {name: max(1, len(starts[name])) for name in (baseline, mode) if name in starts}
    share = sum(1 / n for n in count.values())
    seen = [launch_variance(each) for each in starts.values() if len(each) >= 2]
    if len(count) == 2 and min(count.values()) >= 2:
        freedom = sum(df for _, df in seen)
        return "replicated", share, Spread(sum(v * df for v, df in seen) / freedom * share, freedom), 0.0
    for name, n in count.items():
        if n >= 2 and _between(readings, name, baseline if name == mode else mode):
            ends = starts[name]
            return "bracketed", share, Spread(0.0, 1.0), fmean(ends[-1]) - fmean(ends[0])
    return "in-turn" if in_turn else "apart", share, Spread(0.0, 1.0), 0.0


def _between(readings: Sequence[Reading], outer: str, inner: str) -> bool:
    """Whether all of `inner` was timed between the first and the last start of `outer`."""
    own = [r.position for r in readings if r.mode == inner]
    last = max(r.launch for r in readings if r.mode == outer)
    before = [r.position for r in readings if r.mode == outer and r.launch == 0]
    behind = [r.position for r in readings if r.mode == outer and r.launch == last]
    return bool(own and before and behind) and max(before) < min(own) and max(own) < min(behind)


def _places(ordered: Sequence[Reading]) -> dict[str, int]:
    return {unit: place for place, unit in enumerate(dict.fromkeys(r.unit for r in ordered))}


def _along_the_plan(  # noqa: PLR0917  called once, right above
    found: RatioEstimate,
    moved: Shift,
    logs: Mapping[str, float],
    places: Mapping[str, int],
    clusters: Mapping[str, str | None],
    group_of: Mapping[str, int] | None,
    terms: Terms,
) -> RatioEstimate:
    """The interval widened by the trend line, read at the middle of the plan: an early end saw its first part alone."""
    together: dict[object, list[str]] = {}
    for unit in logs:
        key = clusters.get(unit) or (group_of[unit] if group_of is not None else None)
        together.setdefault(key if key is not None else (unit,), []).append(unit)
    at = ((terms.planned or 0) - 1) / 2
    line = line_at(
        [fmean(places[unit] for unit in units) for units in together.values()],
        [fmean(logs[unit] for unit in units) for units in together.values()],
        at,
    )
    if line is None:
        return replace(found, low=math.exp(-50.0), high=math.exp(50.0))
    half = t_quantile(1 - (1 - terms.stated) / 2 / _EARLY_LOOKS, line.df) * line.error
    low = line.value - moved.low - math.hypot(half, max(found.start, found.unseen))
    high = line.value - moved.high + math.hypot(half, found.start)
    return replace(
        found,
        low=min(found.low, math.exp(max(-50.0, low))),
        high=max(found.high, math.exp(min(50.0, high))),
        method=f"{found.method}, and the trend line at the middle of the plan",
    )
