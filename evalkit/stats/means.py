"""Means of positive amounts and their quotients, with intervals on the log scale.

A mean counts every value once. What goes together (a cluster, a batch) is one unit of its standard error: the residuals
of a unit are added before they are squared (a sandwich, with the factor units / (units - 1)), with Student's t.
The interval of a product or quotient of independent parts adds the log half-widths of each side in quadrature, which
keeps the sides of skewed parts apart (MOVER: Zou & Donner 2008, Stat. Med. 27:1693).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from evalkit.stats.distributions import t_quantile


@dataclass(frozen=True, slots=True)
class Amount:
    """A positive amount, and how far its interval reaches down and up in logs; infinity: that side is open.

    None: how sure the amount is, is not known.
    """

    value: float
    down: float | None = None
    up: float | None = None

    @property
    def low(self) -> float | None:
        return None if self.down is None else self.value * math.exp(-self.down)

    @property
    def high(self) -> float | None:
        """None also where the side is open: there is no largest value."""
        return None if self.up is None or math.isinf(self.up) else self.value * math.exp(self.up)

    def widened(self, more: float) -> Amount:
        """With one more independent source of `more` in logs on both sides."""
        if self.down is None or self.up is None:
            return self
        return Amount(self.value, math.hypot(self.down, more), math.hypot(self.up, more))

    def times(self, factor: float) -> Amount:
        """In another unit; nothing costs nothing, and that is certain."""
        return Amount(self.value * factor, self.down, self.up)


def within(value: float, low: float, high: float) -> Amount:
    """An amount from an interval that holds it; an end at 0 or infinity leaves its side open."""
    if value <= 0:
        return Amount(value)
    return Amount(
        value,
        math.inf if low <= 0 else max(0.0, math.log(value / low)),
        math.inf if math.isinf(high) else max(0.0, math.log(high / value)),
    )


def quotient(above: Amount, below: Amount) -> Amount:
    """`above` over `below`, which are independent. A part whose interval is not known adds nothing to the other's."""
    value = above.value / below.value
    return Amount(value, _both(above.down, below.up), _both(above.up, below.down))


def _both(one: float | None, other: float | None) -> float | None:
    known = [side for side in (one, other) if side is not None]
    return math.hypot(*known) if known else None


def mean_of(values: Mapping[str, float], units: Mapping[str, Hashable], confidence: float) -> Amount | None:
    """Mean of `values`, each counted once; None without any. `units`: what a value goes together with."""
    if not values:
        return None
    mean = fmean(values.values())
    if mean <= 0:
        return Amount(mean, 0.0, 0.0)
    half = _half({name: value / mean - 1 for name, value in values.items()}, units, confidence)
    return Amount(mean, half, half)


def quotient_of_means(
    above: Mapping[str, float], below: Mapping[str, float], units: Mapping[str, Hashable], confidence: float
) -> Amount | None:
    """Mean of `above` over the mean of `below`, on the names that both have: paired. None where a mean is not positive.

    Residuals are those of the log of the quotient.
    """
    names = [name for name in above if name in below]
    if not names:
        return None
    top, bottom = fmean(above[name] for name in names), fmean(below[name] for name in names)
    if top <= 0 or bottom <= 0:
        return None
    half = _half({name: above[name] / top - below[name] / bottom for name in names}, units, confidence)
    return Amount(top / bottom, half, half)


def _half(residuals: Mapping[str, float], units: Mapping[str, Hashable], confidence: float) -> float:
    """Half-width of the mean of relative residuals; infinity with fewer than two units."""
    sums: dict[Hashable, float] = {}
    for name, one in residuals.items():
        unit = units.get(name)
        key = ("alone", name) if unit is None else ("unit", unit)
        sums[key] = sums.get(key, 0.0) + one
    count = len(sums)
    if count < 2:
        return math.inf
    variance = count / (count - 1) * math.fsum(s * s for s in sums.values()) / len(residuals) ** 2
    return t_quantile(0.5 + confidence / 2, count - 1) * math.sqrt(variance)


def share_amount(passed: Sequence[float], low: float, high: float) -> Amount:
    """A share of independent units with its interval, widened where it would not hold the share itself."""
    value = fmean(passed)
    return within(value, min(low, value), max(high, value))
