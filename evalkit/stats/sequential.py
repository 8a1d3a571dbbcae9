"""O'Brien–Fleming bounds for looking at the evidence before all of it is in (O'Brien & Fleming 1979).

At information share t the bound on |z| is C/√t; C is found so that the chance of crossing any bound without a true
effect is `alpha`, by recursive integration (Armitage, McPherson & Rowe 1969).

Several claims are tested by Holm's step-down rule (Holm 1979): the chance of any false one stays below `alpha`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from evalkit.stats.distributions import normal_cdf, normal_quantile

_GRID = 96


def _crossing(bounds: tuple[float, ...], shares: tuple[float, ...]) -> float:
    """Chance that a Brownian path leaves ±bounds·√share at one of the looks."""
    edge = bounds[0] * math.sqrt(shares[0])
    step = 2 * edge / _GRID
    points = [-edge + (i + 0.5) * step for i in range(_GRID)]
    scale = math.sqrt(shares[0])
    density = [math.exp(-0.5 * (x / scale) ** 2) / (scale * math.sqrt(2 * math.pi)) for x in points]
    for k in range(1, len(shares)):
        scale = math.sqrt(shares[k] - shares[k - 1])
        edge = bounds[k] * math.sqrt(shares[k])
        width = 2 * edge / _GRID
        targets = [-edge + (i + 0.5) * width for i in range(_GRID)]
        norm = step / (scale * math.sqrt(2 * math.pi))
        density = [
            norm * sum(d * math.exp(-0.5 * ((y - x) / scale) ** 2) for x, d in zip(points, density, strict=True))
            for y in targets
        ]
        points, step = targets, width
    return 1 - sum(density) * step


@lru_cache(maxsize=64)
def obrien_fleming(shares: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    """Bounds on |z| at information `shares` (increasing, the last is 1) with two-sided error `alpha` over all looks."""
    if not shares or list(shares) != sorted(set(shares)) or shares[0] <= 0 or shares[-1] > 1:
        raise ValueError(f"shares must rise from above 0 to at most 1, not {shares}")
    single = normal_quantile(1 - alpha / 2)
    if len(shares) == 1:
        return (single / math.sqrt(shares[0]),)
    low, high = single * 0.98, single * 1.25
    for _ in range(14):
        mid = (low + high) / 2
        if _crossing(tuple(mid / math.sqrt(t) for t in shares), shares) > alpha:
            low = mid
        else:
            high = mid
    return tuple(high / math.sqrt(t) for t in shares)


def confidence_of(boundary: float) -> float:
    """Two-sided confidence whose normal quantile is `boundary`: how an interval at a look is asked for."""
    return min(2 * normal_cdf(boundary) - 1, 1 - 1e-9)


def look_sizes(prompts: int, *, first: int = 40, looks: int = 4) -> tuple[int, ...]:
    """Numbers of prompts at which to look: from `first` in equal steps to all. One look when there are too few."""
    if prompts < 2 * first:
        return (prompts,)
    step = (prompts - first) / (looks - 1)
    return tuple(sorted({round(first + i * step) for i in range(looks)}))


def holm_levels(p_values: Mapping[str, float], alpha: float) -> dict[str, float]:
    """The level at which each claim is tested: alpha/m for the smallest p, alpha/(m−1) for the next, and so on."""
    order = sorted(p_values, key=lambda name: (p_values[name], name))
    return {name: alpha / (len(order) - place) for place, name in enumerate(order)}
