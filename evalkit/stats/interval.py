"""An estimate with its interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """`estimate` lies in [low, high] at the confidence that the maker was asked for."""

    low: float
    high: float
    estimate: float
    method: str = ""

    def contains(self, value: float) -> bool:
        return self.low <= value <= self.high
