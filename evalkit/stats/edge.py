"""The edge of a block: between the highest rate at which it keeps a service level and the lowest at which it does not.

All rates of one search lie on a grid of equal ratios whose place is drawn: the middle of the last cell is then off by
an amount that is uniform and of mean zero, whatever the edge is, so that the mean over blocks is not biased.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Literal

from evalkit.stats.distributions import binomial_cdf, t_quantile
from evalkit.stats.ratio import bounded_exp

#: cells over which the first block's search strides before any edge is known, and later ones
FIRST_STRIDE, LATER_STRIDE = 4, 1


@dataclass(frozen=True, slots=True)
class Tried:
    """A rate (requests a second) and whether the block kept the service level at it."""

    rate: float
    kept: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a block's edge lies, in requests a second. `above`: it was kept at the highest rate; `below`: nowhere."""

    rate: float
    kind: Literal["found", "above", "below"]


@dataclass(frozen=True, slots=True)
class Grid:
    """Rates `origin` x `ratio`^k from `least` to `most`, in requests a second."""

    origin: float
    ratio: float
    least: float
    most: float

    @property
    def step(self) -> float:
        return math.log(self.ratio)

    def rate(self, k: int) -> float:
        return self.origin * self.ratio**k

    def place(self, rate: float) -> int:
        return round(math.log(rate / self.origin) / self.step)

    @property
    def ends(self) -> tuple[int, int]:
        """The lowest and the highest k that may be tried."""
        low = math.ceil(math.log(self.least / self.origin) / self.step - 1e-9)
        return low, max(low, math.floor(math.log(self.most / self.origin) / self.step + 1e-9))


def grid(centre: float, ratio: float, least: float, most: float, name: str) -> Grid:
    """A grid around `centre`, its place drawn by `name`."""
    shift = random.Random(name).uniform(-0.5, 0.5)
    return Grid(min(max(centre, least), most) * ratio**shift, ratio, least, most)


def next_rate(tried: Iterable[Tried], on: Grid, *, stride: int) -> float | None:
    """The rate to try next; None: the edge is known, or lies beyond the grid's ends."""
    low, high = on.ends
    kept, missed = _sides(tried, on)
    if kept is None and missed is None:
        return on.rate(min(max(0, low), high))
    if kept is not None and missed is not None:
        return on.rate((kept + missed) // 2) if missed - kept > 1 else None
    count = sum(1 for _ in tried)
    reach = stride * 2 ** (count - 1)
    if missed is None:
        assert kept is not None
        return None if kept >= high else on.rate(min(kept + reach, high))
    return None if missed <= low else on.rate(max(missed - reach, low))


def edge(tried: Sequence[Tried], on: Grid, *, stride: int) -> Edge | None:
    """The edge, once there is no rate to try; None before."""
    if not tried or next_rate(tried, on, stride=stride) is not None:
        return None
    kept, missed = _sides(tried, on)
    if kept is None:
        assert missed is not None
        return Edge(on.rate(missed), "below")
    return Edge(on.rate(kept), "above") if missed is None else Edge(on.rate(kept) * on.ratio**0.5, "found")


def _sides(tried: Iterable[Tried], on: Grid) -> tuple[int | None, int | None]:
    """The highest place that was kept below the lowest that was missed, and that one."""
    places = [(on.place(one.rate), one.kept) for one in tried]
    missed = min((k for k, kept in places if not kept), default=None)
    kept = max((k for k, good in places if good and (missed is None or k < missed)), default=None)
    return kept, missed


@dataclass(frozen=True, slots=True)
class MeanLog:
    """The geometric mean of positive values and its interval by Student's t on their logs; `error` is in logs."""

    value: float
    low: float
    high: float
    error: float
    n: int

    @property
    def df(self) -> int:
        return self.n - 1


def mean_log(values: Sequence[float], confidence: float, *, lean: float = 0.0) -> MeanLog | None:
    """Of at least two logs. `lean`: skewness to the left that the lower bound allows for, by the first term of the
    expansion of Student's t (Johnson 1978): where low values are rare and far, a sample without one is too high and too
    sure of it.
    """
    if len(values) < 2:
        return None
    mean, error = fmean(values), math.sqrt(variance(values) / len(values))
    t = t_quantile(0.5 + confidence / 2, len(values) - 1)
    down = t + lean * (2 * t * t + 1) / (6 * math.sqrt(len(values)))
    return MeanLog(math.exp(mean), bounded_exp(mean - down * error), bounded_exp(mean + t * error), error, len(values))


def most_of(met: int, n: int, confidence: float) -> Literal["most", "few", "open"]:
    """Whether more than half of all blocks meet something, fewer than half, or neither is shown: exact sign tests, each
    one-sided at `confidence`.
    """
    alpha = 1 - confidence
    if n and 1 - binomial_cdf(met - 1, n, 0.5) <= alpha:
        return "most"
    return "few" if n and binomial_cdf(met, n, 0.5) <= alpha else "open"
