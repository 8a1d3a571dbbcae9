"""Percentiles and their distribution-free bounds from order statistics (David & Nagaraja 2003, section 7.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.stats.distributions import binomial_cdf

#: the percentiles that are asked for by name
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def percentile(ordered: Sequence[float], share: float) -> float:
    """The `share` quantile of sorted values, linear between neighbours."""
    if not ordered:
        return math.nan
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    if ordered[low] == ordered[high]:
        return ordered[low]
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclass(frozen=True, slots=True)
class Bounds:
    """One-sided bounds of a percentile, each at the asked confidence. None: the sample is too small for one."""

    low: float | None
    high: float | None
    estimate: float
    n: int


def needed(share: float, confidence: float = 0.95) -> int:
    """Fewest values that bound the `share` percentile from above: 59 for p95, 299 for p99 at 95%."""
    return math.ceil(math.log(1 - confidence) / math.log(share) - 1e-9)


def bounds(values: Sequence[float], share: float, confidence: float = 0.95) -> Bounds:
    """Bounds of the `share` percentile; `values` may hold infinity for requests that never ended."""
    ordered = sorted(values)
    n = len(ordered)
    high = next((k for k in range(1, n + 1) if binomial_cdf(k - 1, n, share) >= confidence), None)
    low = next((k for k in range(n, 0, -1) if 1 - binomial_cdf(k - 1, n, share) >= confidence), None)
    return Bounds(
        None if low is None else ordered[low - 1],
        None if high is None else ordered[high - 1],
        percentile(ordered, share),
        n,
    )
