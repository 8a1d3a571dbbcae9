"""How many prompts a claim needs, and what a sample can show. Normal approximation on log ratios."""

from __future__ import annotations

import math

from evalkit.stats.distributions import normal_quantile, t_quantile

#: spread of per-prompt log ratios before a pilot has told us: with it 120 prompts show 5%
TYPICAL_SD = 0.18
_MOST = 1_000_000


def _quantiles(n: int, confidence: float, power: float) -> float:
    upper = t_quantile(0.5 + confidence / 2, n - 1) if 2 <= n < 1000 else normal_quantile(0.5 + confidence / 2)
    return upper + normal_quantile(power)


def detectable_ratio(n: int, sd: float = TYPICAL_SD, confidence: float = 0.95, power: float = 0.8) -> float:
    """The smallest true ratio, in units of the threshold, that `n` prompts show with chance `power`. inf below 2."""
    return math.exp(_quantiles(n, confidence, power) * sd / math.sqrt(n)) if n >= 2 else math.inf


def prompts_needed(ratio: float, target: float, sd: float, confidence: float = 0.95, power: float = 0.8) -> int | None:
    """Prompts that settle whether a mode whose true ratio is `ratio` reaches `target`; None: too close to settle."""
    gap = abs(math.log(ratio) - math.log(target))
    if gap * math.sqrt(_MOST) <= sd * 3:
        return None
    n = 20
    for _ in range(8):
        n = max(20, math.ceil((_quantiles(n, confidence, power) * sd / gap) ** 2))
    return n
