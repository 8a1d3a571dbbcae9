"""Shares, and the difference of two paired shares.

Notation of pairs: the first digit is the mode, the second the baseline. `n10` counts cases that the mode passed and
the baseline failed; `n01` the reverse. The difference is mode minus baseline: negative is a loss.

`alpha` is one-sided throughout: `low` alone is a 1 − alpha bound, and so is `high`.

Sources: Wilson 1927; Clopper & Pearson 1934; Bonett & Price 2012 (J. Educ. Behav. Stat. 37:479); Tango 1998
(Stat. Med. 17:891); McNemar 1947.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

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


def mcnemar_exact(n10: int, n01: int) -> float:
    """Two-sided exact p-value that the two shares are equal."""
    n = n10 + n01
    return 1.0 if n == 0 else min(1.0, 2 * binomial_cdf(min(n10, n01), n, 0.5))


def clustered_mean_difference(
    diffs_by_cluster: Mapping[str, Sequence[float]] | Iterable[Sequence[float]],
    alpha: float = 0.05,
) -> Interval:
    """Mean of per-case differences (mode minus baseline, in [−1, 1]) when cases in a cluster go together.

    Sandwich variance over clusters and a t quantile; never narrower than Bonett–Price on as many concordant pairs as
    there are clusters, since differences that are all equal show no variance. Fewer than two clusters: (−1, 1).
    """
    groups = diffs_by_cluster.values() if isinstance(diffs_by_cluster, Mapping) else diffs_by_cluster
    clusters = [tuple(group) for group in groups if len(group)]
    count = sum(len(group) for group in clusters)
    if not count:
        return Interval(-1.0, 1.0, math.nan, "clustered-t")
    mean = sum(sum(group) for group in clusters) / count
    k = len(clusters)
    if k < 2:
        return Interval(-1.0, 1.0, mean, "clustered-t")
    residuals = sum((sum(group) - mean * len(group)) ** 2 for group in clusters)
    error = math.sqrt(residuals * k / (k - 1)) / count
    least = normal_quantile(1 - alpha) * math.sqrt(2) / (k + 2)
    half = max(t_quantile(1 - alpha, k - 1) * error, least)
    return Interval(max(-1.0, mean - half), min(1.0, mean + half), mean, "clustered-t")


def min_n_without_discordant(margin: float, alpha: float = 0.05) -> int:
    """Fewest pairs with which no discordant pair at all shows non-inferiority at `margin` (0 < margin < 1)."""
    n = max(1, math.floor(normal_quantile(1 - alpha) * math.sqrt(2) / margin) - 3)
    while paired_difference(n, 0, 0, 0, alpha).low <= -margin:
        n += 1
    return n


def power_noninferiority(n: int, discordant: float, margin: float, alpha: float = 0.05) -> float:
    """Chance that `n` pairs show non-inferiority when the true loss is 0 and a share `discordant` of pairs differ.

    Exact: summed over the number of discordant pairs and how they split, by the rule that decides
    (docs/decisions/0010): Bonett and Price's interval, and Tango's too where every pair that differs is a loss.
    """
    if n <= 0:
        return 0.0
    power = 0.0
    for differing in range(n + 1):
        chance = binomial_pmf(differing, n, discordant)
        if chance < 1e-10:
            continue
        worst = _most_losses(n, differing, margin, alpha)
        if worst == differing > 0 and tango(n - differing, 0, differing, 0, alpha).low <= -margin:
            worst -= 1
        power += chance * binomial_cdf(worst, differing, 0.5)
    return min(1.0, power)


def _most_losses(n: int, differing: int, margin: float, alpha: float) -> int:
    """The largest n01 of `differing` pairs that still shows non-inferiority; −1 if none does. `low` falls with n01."""
    low, high = -1, differing
    while low < high:
        losses = (low + high + 1) // 2
        bound = paired_difference(n - differing, differing - losses, losses, 0, alpha).low
        low, high = (losses, high) if bound > -margin else (low, losses - 1)
    return low


def n_noninferiority(discordant: float, margin: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """How many pairs show non-inferiority with chance `power` when the true loss is 0 (to within 2%).

    Starts at the normal approximation, which is too small where few pairs differ.
    """
    z = normal_quantile(1 - alpha) + normal_quantile(power)
    n = max(min_n_without_discordant(margin, alpha), math.ceil(z * z * discordant / (margin * margin)))
    while n < 100_000 and power_noninferiority(n, discordant, margin, alpha) < power:
        n += max(1, n // 50)
    return n
