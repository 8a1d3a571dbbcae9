"""Least squares of logs on places: whether readings drift with time, and where the fitted line is at one place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from evalkit.stats.distributions import t_cdf


@dataclass(frozen=True, slots=True)
class _Line:
    """A fitted line: its point of rest, its slope, and the sums of squares of the places and of the residuals."""

    n: int
    x_mean: float
    y_mean: float
    slope: float
    sxx: float
    rest: float

    @property
    def variance(self) -> float:
        """Of one reading about the line."""
        return self.rest / (self.n - 2)


def _fit(places: Sequence[float], logs: Sequence[float], fewest: int) -> _Line | None:
    """None with fewer than `fewest` points (at least 3) or one place only."""
    n = len(places)
    if n < fewest:
        return None
    x_mean, y_mean = fmean(places), fmean(logs)
    sxx = math.fsum((x - x_mean) ** 2 for x in places)
    if sxx == 0:
        return None
    slope = math.fsum((x - x_mean) * (y - y_mean) for x, y in zip(places, logs, strict=True)) / sxx
    rest = math.fsum((y - y_mean - slope * (x - x_mean)) ** 2 for x, y in zip(places, logs, strict=True))
    return _Line(n, x_mean, y_mean, slope, sxx, rest)


@dataclass(frozen=True, slots=True)
class Trend:
    """`change`: factor from the first to the last place along the fitted line of logs. `p`: two-sided. `first`, `last`:
    the line at these places.
    """

    change: float
    p: float
    n: int
    first: float
    last: float


def trend(places: Sequence[float], logs: Sequence[float]) -> Trend | None:
    """The drift of `logs` over `places`; None with fewer than 8 points or one place only."""
    line = _fit(places, logs, 8)
    if line is None:
        return None
    error = math.sqrt(line.variance / line.sxx)
    change = math.exp(max(-50.0, min(50.0, line.slope * (max(places) - min(places)))))
    p = (0.0 if line.slope else 1.0) if error == 0 else 2 * (1 - t_cdf(abs(line.slope / error), line.n - 2))
    first, last = (line.y_mean + line.slope * (at - line.x_mean) for at in (min(places), max(places)))
    return Trend(change, p, line.n, first, last)


@dataclass(frozen=True, slots=True)
class Point:
    """The fitted line at one place: `value`, its standard error, and the degrees of freedom."""

    value: float
    error: float
    df: int


def line_at(places: Sequence[float], logs: Sequence[float], at: float) -> Point | None:
    """The fitted line read at `at`; None with fewer than 3 points or one place only."""
    line = _fit(places, logs, 3)
    if line is None:
        return None
    beyond = at - line.x_mean
    error = math.sqrt(line.variance * (1 / line.n + beyond**2 / line.sxx))
    return Point(line.y_mean + line.slope * beyond, error, line.n - 2)
