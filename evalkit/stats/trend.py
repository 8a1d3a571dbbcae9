"""Whether readings drift with time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from evalkit.stats.distributions import t_cdf


@dataclass(frozen=True, slots=True)
class Trend:
    """`change`: factor from the first to the last place along the fitted line of logs. `p`: two-sided."""

    change: float
    p: float
    n: int


def trend(places: Sequence[float], logs: Sequence[float]) -> Trend | None:
    """Least squares of `logs` on `places`; None with fewer than 8 points or one place only."""
    n = len(places)
    if n < 8:
        return None
    x_mean, y_mean = fmean(places), fmean(logs)
    sxx = math.fsum((x - x_mean) ** 2 for x in places)
    if sxx == 0:
        return None
    slope = math.fsum((x - x_mean) * (y - y_mean) for x, y in zip(places, logs, strict=True)) / sxx
    rest = math.fsum((y - y_mean - slope * (x - x_mean)) ** 2 for x, y in zip(places, logs, strict=True))
    error = math.sqrt(rest / (n - 2) / sxx)
    change = math.exp(max(-50.0, min(50.0, slope * (max(places) - min(places)))))
    if error == 0:
        return Trend(change, 0.0 if slope else 1.0, n)
    return Trend(change, 2 * (1 - t_cdf(abs(slope / error), n - 2)), n)


@dataclass(frozen=True, slots=True)
class Point:
    """The fitted line at one place: `value`, its standard error, and the degrees of freedom."""

    value: float
    error: float
    df: int


def line_at(places: Sequence[float], logs: Sequence[float], at: float) -> Point | None:
    """Least squares of `logs` on `places`, read at `at`; None with fewer than 3 points or one place only."""
    n = len(places)
    if n < 3:
        return None
    x_mean, y_mean = fmean(places), fmean(logs)
    sxx = math.fsum((x - x_mean) ** 2 for x in places)
    if sxx == 0:
        return None
    slope = math.fsum((x - x_mean) * (y - y_mean) for x, y in zip(places, logs, strict=True)) / sxx
    rest = math.fsum((y - y_mean - slope * (x - x_mean)) ** 2 for x, y in zip(places, logs, strict=True))
    error = math.sqrt(rest / (n - 2) * (1 / n + (at - x_mean) ** 2 / sxx))
    return Point(y_mean + slope * (at - x_mean), error, n - 2)
