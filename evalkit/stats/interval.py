"""An estimate with its interval, and whether several ratios are one (Cochran's Q on their logarithms)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.stats.distributions import chi_square_tail, normal_quantile

#: fewest ratios that can differ from each other
LEAST = 2


@dataclass(frozen=True, slots=True)
class Interval:
    """`estimate` lies in [low, high] at the confidence that the maker was asked for."""

    low: float
    high: float
    estimate: float
    method: str = ""

    def contains(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Homogeneity:
    """Cochran's Q with its degrees of freedom and p-value; `i2`: share of the spread that is not chance."""

    q: float
    df: int
    p: float
    i2: float
    #: the common ratio, weighted by precision: of use only where the ratios do not differ
    pooled: float


def standard_error(ratio: Interval, confidence: float) -> float:
    """Standard error of the logarithm, read off a two-sided interval by the normal quantile.

    Intervals by Student's t are wider than that: the standard error is then too large and Q too small, so that small
    samples show a difference later, never sooner.
    """
    return (math.log(ratio.high) - math.log(ratio.low)) / (2 * normal_quantile((1 + confidence) / 2))


def cochran(ratios: Sequence[Interval], confidence: float) -> Homogeneity | None:
    """The test over independent ratios with their intervals at `confidence`; None where it cannot be made.

    It needs two ratios above 0 with intervals of a width. Source: Cochran 1954; I² by Higgins and Thompson 2002.
    """
    usable = [one for one in ratios if 0 < one.low < one.high < math.inf and one.estimate > 0]
    if len(usable) < LEAST or len(usable) < len(ratios):
        return None
    weights = [1 / standard_error(one, confidence) ** 2 for one in usable]
    logs = [math.log(one.estimate) for one in usable]
    mean = sum(w * y for w, y in zip(weights, logs, strict=True)) / sum(weights)
    q = sum(w * (y - mean) ** 2 for w, y in zip(weights, logs, strict=True))
    df = len(usable) - 1
    return Homogeneity(q, df, chi_square_tail(q, df), max(0.0, (q - df) / q) if q > 0 else 0.0, math.exp(mean))
