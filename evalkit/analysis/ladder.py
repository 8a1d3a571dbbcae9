"""Suites that ask the same at growing sizes: pass rate by size, and the knee from which it falls. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Literal

from evalkit.quality.facts import Answer

Axis = Literal["items", "distance"]
#: tags that say how large a case is: `items:8`, `distance:128`
AXES: tuple[Axis, ...] = ("items", "distance")
#: twice the log likelihood ratio of a step over none, from which the step is no chance: p under 0.02 with eight rungs
_STEP = 9.5


@dataclass(frozen=True, slots=True)
class Rung:
    """Cases of one size: how many were scored and passed, and output tokens a chunk (None: not counted)."""

    size: int
    passed: int
    scored: int
    tokens_per_chunk: float | None = None

    @property
    def share(self) -> float:
        return self.passed / self.scored


@dataclass(frozen=True, slots=True)
class Knee:
    """`holds`: the largest size before the pass rate falls; `falls`: the next one. Shares are pooled on each side."""

    holds: int
    falls: int
    before: float
    after: float


def axis_of(answers: Iterable[Answer]) -> Axis | None:
    """The axis whose sizes most of the answers are tagged with; None: this is no ladder."""
    for axis in AXES:
        if len({size for one in answers if (size := _size(one, axis)) is not None}) >= 3:
            return axis
    return None


def _size(one: Answer, axis: str) -> int | None:
    for tag in one.tags:
        name, _, value = tag.partition(":")
        if name == axis and value.isdigit():
            return int(value)
    return None


def rungs(answers: Iterable[Answer], axis: str) -> tuple[Rung, ...]:
    """Scored answers by size, the smallest first."""
    found: dict[int, list[Answer]] = defaultdict(list)
    for one in answers:
        size = _size(one, axis)
        if size is not None and one.passed is not None:
            found[size].append(one)
    return tuple(
        Rung(size, sum(bool(one.passed) for one in each), len(each), _tokens_per_chunk(each))
        for size, each in sorted(found.items())
    )


def _tokens_per_chunk(answers: Sequence[Answer]) -> float | None:
    """Mean over replies of the tokens that came with each chunk behind the first."""
    means = []
    for one in answers:
        counts = [count for _, count in one.exchange.chunks if count is not None]
        steps = [b - a for a, b in pairwise(counts) if b > a]
        means += [fmean(steps)] if steps else []
    return round(fmean(means), 2) if means else None


def knee(points: Sequence[Rung]) -> Knee | None:
    """Where the pass rate falls: the step that explains the counts best, if beyond chance; None: no fall is shown.

    Binomial likelihood of one share below and one above the step, against one share for all.
    """
    best: tuple[float, Knee] | None = None
    total = _likelihood(points)
    for at in range(1, len(points)):
        low, high = points[:at], points[at:]
        before, after = _pooled(low), _pooled(high)
        gain = 2 * (_likelihood(low) + _likelihood(high) - total)
        if after < before and gain >= _STEP and (best is None or gain > best[0]):
            best = gain, Knee(low[-1].size, high[0].size, before, after)
    return best[1] if best else None


def _pooled(points: Sequence[Rung]) -> float:
    return sum(one.passed for one in points) / sum(one.scored for one in points)


def _likelihood(points: Sequence[Rung]) -> float:
    share = _pooled(points)
    passed = sum(one.passed for one in points)
    failed = sum(one.scored for one in points) - passed
    return (passed * math.log(share) if passed else 0.0) + (failed * math.log(1 - share) if failed else 0.0)
