"""Shares, and the difference of two paired shares.

Notation of pairs: the first digit is the mode, the second the baseline. `n10` counts cases that the mode passed and
the baseline failed; `n01` the reverse. The difference is mode minus baseline: negative is a loss.

`alpha` is one-sided throughout: `low` alone is a 1 − alpha bound, and so is `high`.

Sources: Wilson 1927; Clopper & Pearson 1934; Bonett & Price 2012 (J. Educ. Behav. Stat. 37:479); Tango 1998
(Stat. Med. 17:891); McNemar 1947.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from evalkit.stats.distributions import (
    beta_quantile,
    binomial_cdf,
    binomial_pmf,
    normal_quantile,
    t_quantile,
)
from evalkit.stats.interval import Interval


def wilson(k: int, n: int, conf: float = 0.95) -> Interval:
    """Two-sided interval of a share k/n. No cases: (0, 1)."""
    if n <= 0:
        return Interval(0.0, 1.0, math.nan, "wilson")
    z = normal_quantile(0.5 + conf / 2)
    share = k / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if k == 0 else max(0.0, centre - half)
    high = 1.0 if k == n else min(1.0, centre + half)
    return Interval(low, high, share, "wilson")


def clopper_pearson(k: int, n: int, conf: float = 0.95) -> Interval:
    """Two-sided exact interval of a share k/n: covers at least `conf` at every true share."""
    if n <= 0:
        return Interval(0.0, 1.0, math.nan, "clopper-pearson")
    tail = (1 - conf) / 2
    low = 0.0 if k == 0 else beta_quantile(tail, k, n - k + 1)
    high = 1.0 if k == n else beta_quantile(1 - tail, k + 1, n - k)
    return Interval(low, high, k / n, "clopper-pearson")


def paired_difference(n11: int, n10: int, n01: int, n00: int, alpha: float = 0.05) -> Interval:
    """Bonett–Price interval of the mode's share minus the baseline's, each side at one-sided `alpha`.

    Works without a discordant pair. No pairs: (−1, 1).
    """
    n = n11 + n10 + n01 + n00
    if n <= 0:
        return Interval(-1.0, 1.0, math.nan, "bonett-price")
    z = normal_quantile(1 - alpha)
    up, down = (n10 + 1) / (n + 2), (n01 + 1) / (n + 2)
    centre = up - down
    half = z * math.sqrt((up + down - centre * centre) / (n + 2))
    return Interval(max(-1.0, centre - half), min(1.0, centre + half), (n10 - n01) / n, "bonett-price")


def _tango_score(n: int, n10: int, n01: int, delta: float) -> float:
    """Tango's score statistic for a true difference `delta`."""
    a = 2 * n
    b = -n10 - n01 + (2 * n - n10 + n01) * delta
    c = -n01 * delta * (1 - delta)
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    q01 = (root - b) / (2 * a)
    variance = n * (2 * q01 + delta * (1 - delta))
    numerator = n10 - n01 - n * delta
    if variance <= 1e-12:
        return 0.0 if abs(numerator) < 1e-12 else math.copysign(math.inf, numerator)
    return numerator / math.sqrt(variance)


def tango(n11: int, n10: int, n01: int, n00: int, alpha: float = 0.05) -> Interval:
    """Tango's score interval of the paired difference; the cross-check of `paired_difference`."""
    n = n11 + n10 + n01 + n00
    if n <= 0:
        return Interval(-1.0, 1.0, math.nan, "tango")
    z = normal_quantile(1 - alpha)
    estimate = (n10 - n01) / n

    def bound(edge: float, target: float) -> float:
        inside, outside = estimate, edge
        for _ in range(100):
            mid = (inside + outside) / 2
            if abs(_tango_score(n, n10, n01, mid)) < target:
                inside = mid
            else:
                outside = mid
        return (inside + outside) / 2

    return Interval(bound(-1.0, z), bound(1.0, z), estimate, "tango")


#: share of `alpha` that the exact bound spends: with it the three bounds together let at most 5.0% through
EXACT_SHARE = 0.95
#: no margin of ten points or less is shown by fewer cases
FEWEST_CASES = 30


def exact_difference(n: int, n10: int, n01: int, alpha: float = 0.05) -> Interval:
    """Bounds of the paired difference from the exact distribution of the pairs lost (and of those gained).

    `low` is the difference −m at which P(Bin(n, m + n10/n) <= n01) is `EXACT_SHARE` × `alpha`: losses on few cases,
    where normal approximations let too much through, are held to their binomial chance. No pairs: (-1, 1).
    """
    if n <= 0:
        return Interval(-1.0, 1.0, math.nan, "exact")
    conf = 1 - 2 * EXACT_SHARE * alpha
    low = n10 / n - clopper_pearson(n01, n, conf).high
    high = clopper_pearson(n10, n, conf).high - n01 / n
    return Interval(max(-1.0, low), min(1.0, high), (n10 - n01) / n, "exact")


@lru_cache(maxsize=4096)
def guarded_difference(n: int, n10: int, n01: int, alpha: float = 0.05) -> Interval:
    """The paired difference, each side the widest of Bonett and Price's, Tango's and the exact bound.

    The bound that decides non-inferiority (docs/decisions/0012). No pairs: (-1, 1).
    """
    rest = n - n10 - n01
    parts = (
        paired_difference(rest, n10, n01, 0, alpha),
        tango(rest, n10, n01, 0, alpha),
        exact_difference(n, n10, n01, alpha),
    )
    return Interval(min(i.low for i in parts), max(i.high for i in parts), parts[0].estimate, GUARDED)


#: method of `guarded_difference`
GUARDED = "bonett-price, tango, exact"


def shows_margin(n: int, n10: int, n01: int, margin: float, alpha: float = 0.05) -> bool:
    """Whether `n` pairs, `n10` gained and `n01` lost, show a loss under `margin`: all three bounds must say so."""
    if n < least_cases(margin, alpha):
        return False
    z = normal_quantile(1 - alpha)
    rest = n - n10 - n01
    return (
        paired_difference(rest, n10, n01, 0, alpha).low > -margin
        and _tango_score(n, n10, n01, -margin) > z
        and binomial_cdf(n01, n, min(1.0, margin + n10 / n)) <= EXACT_SHARE * alpha
    )


def guarded_mean(values: Sequence[float], alpha: float = 0.05) -> Interval:
    """Mean of differences in [-1, 1] of independent units, each of equal weight: clusters, or fractions of repeats.

    A t interval with one whole loss and one whole gain added, so that differences that are all equal give no certainty.
    Fewer than two units: (-1, 1).
    """
    n = len(values)
    mean = sum(values) / n if n else math.nan
    if n < 2:
        return Interval(-1.0, 1.0, mean, "guarded-t")
    centre = sum(values) / (n + 2)
    spread = sum((value - centre) ** 2 for value in (*values, -1.0, 1.0)) / (n + 1)
    half = t_quantile(1 - alpha, n + 1) * math.sqrt(spread / (n + 2))
    return Interval(max(-1.0, centre - half), min(1.0, centre + half), mean, "guarded-t")


@lru_cache(maxsize=1024)
def least_cases(margin: float, alpha: float = 0.05) -> int:
    """Fewest independent cases that can show `margin` (0 < margin < 1), and then only if none of them is lost.

    (1 - margin)^n <= `EXACT_SHARE` × `alpha`: 30, 60, 101, 151 cases for 10, 5, 3, 2 points at 0.05. `alpha` is already
    that of one mode where several may be adopted.
    """
    n = max(1, math.ceil(math.log(EXACT_SHARE * alpha) / math.log1p(-margin)))
    n = max(n, FEWEST_CASES) if margin <= 0.1 else n
    z = normal_quantile(1 - alpha)
    while paired_difference(n, 0, 0, 0, alpha).low <= -margin or _tango_score(n, 0, 0, -margin) <= z:
        n += 1
    return n


def power_noninferiority(n: int, discordant: float, margin: float, alpha: float = 0.05) -> float:
    """Chance that `n` pairs show non-inferiority when the true loss is 0 and a share `discordant` of pairs differ.

    Exact: summed over the number of discordant pairs and how they split, by the rule that decides (`shows_margin`).
    """
    if n < least_cases(margin, alpha):
        return 0.0
    power = 0.0
    for differing in range(n + 1):
        chance = binomial_pmf(differing, n, discordant)
        if chance >= 1e-10:
            power += chance * binomial_cdf(_most_losses(n, differing, margin, alpha), differing, 0.5)
    return min(1.0, power)


def _most_losses(n: int, differing: int, margin: float, alpha: float) -> int:
    """The largest n01 of `differing` pairs that still shows non-inferiority; -1 if none does."""
    low, high = -1, differing
    while low < high:
        losses = (low + high + 1) // 2
        shown = shows_margin(n, differing - losses, losses, margin, alpha)
        low, high = (losses, high) if shown else (low, losses - 1)
    return low


def n_noninferiority(
    discordant: float, margin: float, alpha: float = 0.05, power: float = 0.8, *, most: int = 100_000
) -> int:
    """How many pairs show non-inferiority with chance `power` when the true loss is 0 (to within 2%).

    Starts at the normal approximation, which is too small where few pairs differ; beyond `most` it is the answer.
    """
    z = normal_quantile(1 - alpha) + normal_quantile(power)
    n = max(least_cases(margin, alpha), math.ceil(z * z * discordant / (margin * margin)))
    while n < most and power_noninferiority(n, discordant, margin, alpha) < power:
        n += max(1, n // 50)
    return n
