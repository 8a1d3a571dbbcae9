"""How many prompts a claim needs, and what a sample can show. Normal approximation on log ratios."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evalkit.stats.distributions import normal_quantile, t_quantile

#: spread of per-prompt log ratios before there is a pilot: with it 120 prompts show 5% over what is not sampled
TYPICAL_SD = 0.18
#: what the last of four looks asks for beyond a single one (O'Brien-Fleming)
_LOOKS = 1.033
_MOST = 1_000_000
_HALF_SPEED = math.log(0.5)


@dataclass(frozen=True, slots=True)
class Sought:
    """A claim that a sample is planned for.

    `ratio`: what is believed to be true; `sd`: of the log ratio of one prompt, from `known` prompts (0: assumed).
    `confidence`: two-sided, several claims counted. `start`: half-width (log) for starts that are not repeated; `rare`:
    prompts of n that may be of a kind not drawn.
    """

    at_least: float
    ratio: float = 1.0
    sd: float = TYPICAL_SD
    known: int = 0
    confidence: float = 0.95
    power: float = 0.8
    start: float = 0.0
    rare: float = 0.0
    looks: bool = False


def start_term(start_sd: float, starts: float = 2.0, confidence: float = 0.95) -> float:
    """Half-width (log) for starts of two servers that are not repeated; `starts`: sum of 1 / starts over both."""
    return normal_quantile(0.5 + confidence / 2) * start_sd * math.sqrt(starts)


def _half(sought: Sought, n: int, log_ratio: float) -> float:
    """The half-width that the bound at `n` prompts is likely to have, the allowances included."""
    bound = 0.5 + sought.confidence / 2
    quantile = t_quantile(bound, n - 1) if 2 <= n < 1000 else normal_quantile(bound)
    sampled = quantile * (_LOOKS if sought.looks else 1.0) * sought.sd / math.sqrt(n)
    below = log_ratio >= math.log(sought.at_least)
    unseen = sought.rare / n * max(0.0, log_ratio - _HALF_SPEED) if below else 0.0
    return math.hypot(sampled, max(sought.start, unseen))


def detectable_ratio(n: int, sought: Sought) -> float:
    """The smallest true ratio, in units of the threshold, that `n` prompts show with the asked power. inf below 2."""
    if n < 2:
        return math.inf
    base, spare = math.log(sought.at_least), normal_quantile(sought.power) * sought.sd / math.sqrt(n)
    low, high = 0.0, 50.0
    for _ in range(100):
        gap = (low + high) / 2
        if gap >= _half(sought, n, base + gap) + spare:
            high = gap
        else:
            low = gap
    return math.exp(high) if high < 49 else math.inf


def prompts_needed(sought: Sought) -> int | None:
    """Prompts that settle with the asked power whether the ratio reaches the threshold; None: no sample settles it.

    The ratio and the spread are themselves estimates from `known` prompts: the gap is taken half a standard error
    smaller than it looks.
    """
    gap = abs(math.log(sought.ratio) - math.log(sought.at_least))
    if sought.known > 1:
        gap -= 0.5 * sought.sd / math.sqrt(sought.known)
    spare = normal_quantile(sought.power) * sought.sd

    def shows(n: int) -> bool:
        return gap >= _half(sought, n, math.log(sought.ratio)) + spare / math.sqrt(n)

    if gap <= 0 or not shows(_MOST):
        return None
    low, high = 20, _MOST
    while low < high:
        n = (low + high) // 2
        low, high = (low, n) if shows(n) else (n + 1, high)
    return low
