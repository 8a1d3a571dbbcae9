"""How much faster one mode is than another, from the same prompts in both.

Estimand: the geometric mean over prompts of baseline time / mode time (above 1: the mode is faster). Repeats of a
prompt are averaged first (as logs). Prompts of one declared cluster are one unit: units have equal weight.

Interval: Student's t on the units; below 50 units, or under strong skew, the wider of it and a bootstrap-t. Other
sources of spread (batches, starts) bring their own variance and degrees of freedom; half-widths are squared and added,
each with its own quantile, since Satterthwaite's degrees of freedom cover too little where one source has one or two.
What was not sampled at all widens the interval by an `Allowance`.

Sources: Kalibera & Jones 2013 (level of replication); Efron & Tibshirani 1993 ch. 12 (bootstrap-t).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import mul
from statistics import fmean, variance

from evalkit.stats.distributions import normal_quantile, t_cdf, t_quantile

MIN_PAIRS = 20
_SMALL = 50
_SKEWED = 1.0
_RESAMPLES = 2000
#: prompts of a kind that was never drawn are taken to run at this speed at worst
_RARE_SPEED = 0.5


@dataclass(frozen=True, slots=True)
class Spread:
    """One more source of spread: the variance of the mean log ratio from it, and the variance's degrees of freedom."""

    variance: float
    df: float

    def half(self, confidence: float) -> float:
        return t_quantile(0.5 + confidence / 2, self.df) * math.sqrt(self.variance) if self.variance > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the run did not sample, in logs.

    `start_sd`: stated spread of the log time between starts of one server; `starts`: sum over the two modes of
    1 / starts (2: one start each). `rare`: so many prompts over n may be of a kind that was not drawn (3 of 59 is the
    share that stays unseen in 5% of samples). `apart`: added to each side, from two starts that bracket the mode.
    `confidence`: of the start term, two-sided: that of the claim, whatever look it is decided at.
    """

    start_sd: float = 0.0
    starts: float = 2.0
    rare: float = 0.0
    apart: float = 0.0
    confidence: float = 0.95

    @property
    def start(self) -> float:
        """Half-width for starts that were not repeated."""
        return normal_quantile(0.5 + self.confidence / 2) * self.start_sd * math.sqrt(self.starts)

    def unseen(self, units: int, log_ratio: float) -> float:
        """How far prompts of kinds that were not drawn, at half the baseline's speed, would lower the mean."""
        return self.rare / units * max(0.0, log_ratio - math.log(_RARE_SPEED))


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """`low` and `high` hold the ratio at `confidence`, two-sided. `sd` is that of the log ratios of single prompts.

    `half`: the lower half-width (log) from what was sampled; `start` and `unseen`: allowances for what was not;
    `shift`: what the order of the readings explains (log): taken out of `ratio` and `low` where it flatters the mode
    (above 0), allowed for in `high` where it hinders it.
    """

    ratio: float
    low: float
    high: float
    confidence: float
    pairs: int
    clusters: int
    sd: float
    error: float
    df: float
    method: str
    slower_share: float
    worst_decile: float
    half: float = 0.0
    start: float = 0.0
    unseen: float = 0.0
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Shift:
    """Log ratio to subtract from each bound (see `evalkit.analysis.order`), and the spread of what is subtracted."""

    low: float = 0.0
    high: float = 0.0
    below: Spread = Spread(0.0, 1.0)
    above: Spread = Spread(0.0, 1.0)


def log_ratios(baseline: Mapping[str, Sequence[float]], mode: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """log(baseline / mode) of each prompt that has positive times in both; repeats averaged as logs."""
    return {
        prompt: _mean_log(times) - _mean_log(mode[prompt])
        for prompt, times in baseline.items()
        if times and mode.get(prompt)
    }


def _mean_log(times: Sequence[float]) -> float:
    return fmean(math.log(max(t, 1e-9)) for t in times)


def estimate(
    logs: Mapping[str, float],
    *,
    clusters: Mapping[str, str | None] | None = None,
    batches: Mapping[str, int] | None = None,
    confidence: float = 0.95,
    spreads: Sequence[Spread] = (),
    shift: Shift = Shift(),
    careful: Shift = Shift(),
    allowance: Allowance = Allowance(),
    seed: int = 1,
) -> RatioEstimate | None:
    """The speed-up of `log_ratios`; None with fewer than two units.

    `batches`: the group in which each prompt was in flight; the spread between prompts is then that within groups, and
    the groups' own is one of `spreads`.

    `careful`: what the order of the readings may explain at most. It and what was not sampled are not added: the wider
    of the two bounds counts.
    """
    values = units(logs, clusters or {})
    if len(values) < 2:
        return None
    mean = fmean(values)
    within, df = _within(logs, values, batches if not _declared(logs, clusters or {}) else None)
    quantile = t_quantile(0.5 + confidence / 2, df)
    below = above = quantile * within
    method = "t on log ratios"
    if within > 0 and (len(values) < _SMALL or abs(_skewness(values)) > _SKEWED):
        low, high = _bootstrap_t(tuple(values), within, confidence, seed)
        below, above = max(below, low), max(above, high)
        method += ", widened by bootstrap-t"
    more = math.fsum(one.half(confidence) ** 2 for one in spreads)
    below, above = math.hypot(below, math.sqrt(more)), math.hypot(above, math.sqrt(more))
    least = mean - careful.low - math.hypot(below, careful.below.half(confidence))
    most = mean - careful.high + math.hypot(above, careful.above.half(confidence))
    below = math.hypot(below, shift.below.half(confidence))
    above = math.hypot(above, shift.above.half(confidence))
    unseen = allowance.unseen(len(values), mean - shift.low)
    low = mean - shift.low - math.hypot(below, max(allowance.start, unseen))
    high = mean - shift.high + math.hypot(above, allowance.start)
    if least < low or most > high:
        method += ", widened by the order of the readings"
    low, high = min(least, low) - allowance.apart, max(most, high) + allowance.apart
    error = math.sqrt(within * within + math.fsum(one.variance for one in (*spreads, shift.below)))
    each = sorted(logs.values())
    return RatioEstimate(
        ratio=bounded_exp(mean - shift.low),
        low=bounded_exp(low),
        high=bounded_exp(high),
        confidence=confidence,
        pairs=len(each),
        clusters=len(values),
        sd=math.sqrt(variance(each)),
        error=error,
        df=df,
        method=method,
        slower_share=sum(v < 0 for v in each) / len(each),
        worst_decile=bounded_exp(fmean(each[: max(1, len(each) // 10)])),
        half=below,
        start=allowance.start,
        unseen=unseen,
        shift=shift.low + shift.high,
    )


def tipping(found: RatioEstimate, target: float, starts: float = 2.0, confidence: float = 0.95) -> float | None:
    """The spread between starts (sd of logs) at which a pass falls; None where the claim does not pass.

    `starts`: sum over both modes of 1 / starts.
    """
    gap = math.log(found.ratio) - math.log(target)
    if gap <= found.half:
        return None
    return math.sqrt((gap * gap - found.half * found.half) / starts) / normal_quantile(0.5 + confidence / 2)


def p_at_most(result: RatioEstimate, target: float) -> float:
    """One-sided p-value of "the true ratio is at most `target`", by the t statistic: it orders claims."""
    gap = math.log(result.ratio) - math.log(target)
    if result.error == 0:
        return 0.0 if gap > 0 else 1.0
    return 1.0 - t_cdf(gap / result.error, result.df)


def launch_variance(by_launch: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Variance of one start's mean log time, from at least two starts on the same prompts, and its degrees of freedom.

    Noise within a start is in it as well, and counted again in the spread between prompts: the interval errs on the
    wide side.
    """
    means = [fmean(values) for values in by_launch]
    return variance(means), len(means) - 1


def units(logs: Mapping[str, float], clusters: Mapping[str, str | None]) -> list[float]:
    """Means of the declared clusters, and prompts that are alone: each counts once."""
    groups: dict[tuple[bool, str], list[float]] = {}
    for prompt, value in logs.items():
        cluster = clusters.get(prompt)
        groups.setdefault((cluster is None, cluster or prompt), []).append(value)
    return [fmean(group) for group in groups.values()]


def _declared(logs: Mapping[str, float], clusters: Mapping[str, str | None]) -> bool:
    return any(clusters.get(prompt) is not None for prompt in logs)


def _within(
    logs: Mapping[str, float], values: Sequence[float], batches: Mapping[str, int] | None
) -> tuple[float, float]:
    """Standard error of the mean from the spread between units, within their groups where there are some."""
    if batches is None:
        return math.sqrt(variance(values) / len(values)), len(values) - 1
    groups: dict[int, list[float]] = {}
    for prompt, value in logs.items():
        groups.setdefault(batches[prompt], []).append(value)
    squares = math.fsum((v - fmean(group)) ** 2 for group in groups.values() for v in group)
    df = len(logs) - len(groups)
    if df < 1:
        return math.sqrt(variance(values) / len(values)), len(values) - 1
    return math.sqrt(squares / df / len(logs)), df


def _skewness(values: Sequence[float]) -> float:
    mean, n = fmean(values), len(values)
    second = math.fsum((v - mean) ** 2 for v in values) / n
    third = math.fsum((v - mean) ** 3 for v in values) / n
    return third / second**1.5 if second > 0 else 0.0


# findings, figures and limits ask for the same interval: a page of many runs draws it once for each
@lru_cache(maxsize=64)
def _bootstrap_t(values: tuple[float, ...], error: float, confidence: float, seed: int) -> tuple[float, float]:
    """Half-widths below and above the mean by bootstrap-t: units are drawn with replacement, with a seed."""
    rng = random.Random(seed)
    k, centre = len(values), fmean(values)
    around = [value - centre for value in values]
    statistics: list[float] = []
    resamples = _RESAMPLES if k <= 200 else max(400, 400_000 // k)
    for _ in range(resamples):
        drawn = rng.choices(around, k=k)
        total = sum(drawn)
        spread = sum(map(mul, drawn, drawn)) - total * total / k
        if spread > 1e-18:
            statistics.append(total / math.sqrt(spread * k / (k - 1)))
    if len(statistics) < resamples // 2:
        return 0.0, 0.0
    statistics.sort()
    tail = (1 - confidence) / 2
    upper = statistics[min(len(statistics) - 1, math.ceil((1 - tail) * len(statistics)) - 1)]
    lower = statistics[max(0, math.floor(tail * len(statistics)))]
    return upper * error, -lower * error


def bounded_exp(value: float) -> float:
    return math.exp(max(-50.0, min(50.0, value)))
