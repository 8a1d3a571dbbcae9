"""How much faster one mode is than another, from the same prompts in both.

Estimand: the geometric mean over prompts of baseline time / mode time (above 1: the mode is faster). Repeats of a
prompt are averaged first (as logs); prompts of one conversation form a cluster. Interval: Student's t on the log
ratios with the sandwich variance over clusters; below 50 clusters, or under strong skew, the wider of it and a
bootstrap-t.

Sources: Kalibera & Jones 2013 (level of replication); Efron & Tibshirani 1993 ch. 12 (bootstrap-t); Satterthwaite 1946.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from statistics import fmean, variance

from evalkit.stats.distributions import t_cdf, t_quantile

MIN_PAIRS = 20
_SMALL = 50
_SKEWED = 1.0
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """`low` and `high` hold the ratio at `confidence`, two-sided. `sd` is that of the log ratios of single prompts."""

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


def log_ratios(baseline: Mapping[str, Sequence[float]], mode: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """log(baseline / mode) of each prompt that has positive times in both; repeats averaged as logs."""
    return {
        prompt: _mean_log(times) - _mean_log(mode[prompt])
        for prompt, times in baseline.items()
        if times and mode.get(prompt)
    }


def _mean_log(times: Sequence[float]) -> float:
    return fmean(math.log(max(t, 1e-9)) for t in times)


def _mean_and_error(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    count = sum(map(len, groups))
    mean = math.fsum(x for group in groups for x in group) / count
    k = len(groups)
    spread = math.fsum((math.fsum(group) - mean * len(group)) ** 2 for group in groups)
    return mean, math.sqrt(spread * k / (k - 1)) / count


def estimate(
    logs: Mapping[str, float],
    *,
    clusters: Mapping[str, str | None] | None = None,
    confidence: float = 0.95,
    extra_variance: float = 0.0,
    extra_df: float = 1.0,
    seed: int = 1,
) -> RatioEstimate | None:
    """The speed-up of `log_ratios`; None with fewer than two prompts or clusters.

    `extra_variance` is the variance of the mean log ratio from the spread between launches, with `extra_df` degrees
    of freedom; the combined degrees of freedom follow Satterthwaite.
    """
    groups = _grouped(logs, clusters or {})
    if len(groups) < 2:
        return None
    mean, within = _mean_and_error(groups)
    error = math.sqrt(within * within + extra_variance)
    df = _df(within * within, len(groups) - 1, extra_variance, extra_df)
    quantile = t_quantile(0.5 + confidence / 2, df)
    low, high, method = mean - quantile * error, mean + quantile * error, "t on log ratios"
    values = list(logs.values())
    if within > 0 and (len(groups) < _SMALL or abs(_skewness(values)) > _SKEWED):
        other_low, other_high = _bootstrap_t(groups, mean, error, confidence, seed)
        low, high = min(low, other_low), max(high, other_high)
        method = "t on log ratios, widened by bootstrap-t"
    if extra_variance:
        method += ", spread between launches included"
    ordered = sorted(values)
    worst = ordered[: max(1, len(ordered) // 10)]
    return RatioEstimate(
        ratio=_exp(mean),
        low=_exp(low),
        high=_exp(high),
        confidence=confidence,
        pairs=len(values),
        clusters=len(groups),
        sd=math.sqrt(variance(values)),
        error=error,
        df=df,
        method=method,
        slower_share=sum(v < 0 for v in values) / len(values),
        worst_decile=_exp(fmean(worst)),
    )


def p_at_most(result: RatioEstimate, target: float) -> float:
    """One-sided p-value of "the true ratio is at most `target`", by the t statistic."""
    gap = math.log(result.ratio) - math.log(target)
    if result.error == 0:
        return 0.0 if gap > 0 else 1.0
    return 1.0 - t_cdf(gap / result.error, result.df)


def launch_variance(by_launch: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Variance of one start's mean log time, from at least two starts on the same prompts, and its degrees of freedom.

    Noise within a start is in it as well, and counted again in the spread between prompts: the interval errs on the
    wide side. With starts that do not differ its coverage at a nominal 95% was 96 to 99% in simulation.
    """
    means = [fmean(values) for values in by_launch]
    return variance(means), len(means) - 1


def _grouped(logs: Mapping[str, float], clusters: Mapping[str, str | None]) -> list[list[float]]:
    groups: dict[tuple[bool, str], list[float]] = {}
    for prompt, value in logs.items():
        cluster = clusters.get(prompt)
        groups.setdefault((cluster is None, cluster or prompt), []).append(value)
    return list(groups.values())


def _df(first: float, first_df: float, second: float, second_df: float) -> float:
    """Satterthwaite's degrees of freedom of the sum of two variances: at least the smaller of theirs."""
    if second <= 0:
        return first_df
    return (first + second) ** 2 / (first * first / first_df + second * second / max(second_df, 1.0))


def _skewness(values: Sequence[float]) -> float:
    mean, n = fmean(values), len(values)
    second = math.fsum((v - mean) ** 2 for v in values) / n
    third = math.fsum((v - mean) ** 3 for v in values) / n
    return third / second**1.5 if second > 0 else 0.0


def _bootstrap_t(
    groups: Sequence[Sequence[float]], mean: float, error: float, confidence: float, seed: int
) -> tuple[float, float]:
    """Bootstrap-t bounds of the mean: clusters are drawn with replacement, with a seed."""
    rng = random.Random(seed)
    k = len(groups)
    # of each cluster: its sum and size about the mean, and their products; sums of these give centre and spread
    sums = [(math.fsum(group) - mean * len(group), len(group)) for group in groups]
    alone = all(size == 1 for _, size in sums)
    values = [total for total, _ in sums]
    parts = [(total, size, total * total, total * size, size * size) for total, size in sums]
    statistics: list[float] = []
    resamples = _RESAMPLES if k <= 200 else max(400, 400_000 // k)
    for _ in range(resamples):
        if alone:
            drawn = rng.choices(values, k=k)
            total, count = sum(drawn), k
            spread = sum(map(mul, drawn, drawn)) - total * total / k
        else:
            total, count, squares, products, sizes = map(sum, zip(*rng.choices(parts, k=k), strict=True))
            centre = total / count
            spread = squares - 2 * centre * products + centre * centre * sizes
        if spread > 1e-18:
            statistics.append(total / math.sqrt(spread * k / (k - 1)))
    if len(statistics) < resamples // 2:
        return mean, mean
    statistics.sort()
    tail = (1 - confidence) / 2
    upper = statistics[min(len(statistics) - 1, math.ceil((1 - tail) * len(statistics)) - 1)]
    lower = statistics[max(0, math.floor(tail * len(statistics)))]
    return mean - upper * error, mean - lower * error


def _exp(value: float) -> float:
    return math.exp(max(-50.0, min(50.0, value)))
