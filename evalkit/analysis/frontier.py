"""Modes and their configurations as points of latency and quality, and which of them another one dominates. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from evalkit.analysis.pairs import pass_shares
from evalkit.analysis.readings import Readings, geometric
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.stats.interval import Interval
from evalkit.stats.proportions import guarded_mean, wilson
from evalkit.stats.ratio import estimate, log_ratios

#: (suite, case) -> share of its repeats that passed
_Scores = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Point:
    """`e2e_ms`: geometric mean over the prompts that every point answered. `share`: of cases that all points were
    scored on. `dominated_by`: at least as fast and as good by the figures, and better in one; `surely`: those whose
    lead in speed and whose quality (within the margin) the intervals show as well.
    """

    mode: str
    e2e_ms: float
    share: float
    low: float
    high: float
    cases: int
    dominated_by: tuple[str, ...] = ()
    surely: tuple[str, ...] = ()


def frontier(checklist: Checklist, facts: Facts, readings: Readings) -> tuple[Point, ...]:
    """One point for each mode that was timed at `decide_at` and scored, on the prompts and cases common to all."""
    level = checklist.items.modes.level
    times = {m: readings.times(m, level) for m in checklist.modes}
    scores = {m: pass_shares(facts.answers, m, checklist.baseline.quality) for m in checklist.modes}
    modes = [m for m in checklist.modes if times[m] and scores[m]]
    prompts = set.intersection(*(set(times[m]) for m in modes)) if modes else set()
    cases = sorted(set.intersection(*(set(scores[m]) for m in modes))) if modes else []
    if not prompts or not cases:
        return ()
    ones = {p: [1.0] for p in prompts}
    points: dict[str, Point] = {}
    for mode in modes:
        mine = {p: times[mode][p] for p in prompts}
        middle = geometric(log_ratios(mine, ones)) or 0.0
        share = fmean(scores[mode][c] for c in cases)
        held = wilson(round(share * len(cases)), len(cases))
        points[mode] = Point(mode, middle, share, held.low, held.high, len(cases))
    found = []
    for one in points.values():
        better = [other for other in points.values() if _dominates(other, one)]
        sure = [other.mode for other in better if _surely(checklist, times, scores, cases, other.mode, one.mode)]
        found.append(
            Point(
                one.mode,
                one.e2e_ms,
                one.share,
                one.low,
                one.high,
                one.cases,
                tuple(o.mode for o in better),
                tuple(sure),
            )
        )
    return tuple(found)


def _dominates(one: Point, other: Point) -> bool:
    no_worse = one.e2e_ms <= other.e2e_ms and one.share >= other.share
    return no_worse and (one.e2e_ms < other.e2e_ms or one.share > other.share)


def _surely(  # noqa: PLR0917  called once, right above
    checklist: Checklist,
    times: Mapping[str, Mapping[str, list[float]]],
    scores: Mapping[str, _Scores],
    cases: list[tuple[str, str]],
    one: str,
    other: str,
) -> bool:
    """Paired by prompt and by case: faster beyond chance, and no worse than the default margin."""
    item, quality = checklist.items.modes, checklist.items.quality
    faster = estimate(log_ratios(times[other], times[one]), confidence=item.confidence, seed=item.seed)
    kept: Interval = guarded_mean([scores[one][c] - scores[other][c] for c in cases], quality.alpha)
    return faster is not None and faster.low > 1 and kept.low > -quality.margin.default
