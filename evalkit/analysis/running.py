"""How fast the modes are while they are still being timed: for the person who waits, never for the verdict. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from evalkit.analysis.order import Reading
from evalkit.stats.distributions import t_quantile

#: prompts of both modes before which no interval is worth a look
_FEWEST = 5


@dataclass(frozen=True, slots=True)
class SoFar:
    """Speed-up of `mode` over the baseline on the prompts that both have answered, as a ratio with its interval."""

    mode: str
    ratio: float
    low: float
    high: float
    prompts: int
    planned: int


class Running:
    """Keeps two numbers a mode and prompt, so that a long run does not grow.

    The interval is Student's t on log ratios with the allowance for one start. That of the report is wider where the
    order of the samples, few prompts or a skewed distribution ask for it.
    """

    def __init__(
        self, baseline: str, modes: Sequence[str], planned: int, *, confidence: float = 0.95, start_sd: float = 0.0
    ) -> None:
        self._baseline, self._planned, self._confidence = baseline, planned, confidence
        self._modes = tuple(mode for mode in modes if mode != baseline)
        self._start = start_sd * math.sqrt(2) * 2
        #: mode -> prompt -> sum of log times, and how many
        self._sums: dict[str, dict[str, tuple[float, int]]] = {}

    def add(self, reading: Reading) -> None:
        """One sample at the deciding concurrency; a failed one is left out."""
        if reading.log is None:
            return
        of_mode = self._sums.setdefault(reading.mode, {})
        total, count = of_mode.get(reading.unit, (0.0, 0))
        of_mode[reading.unit] = (total + reading.log, count + 1)

    def so_far(self) -> list[SoFar]:
        """Modes that share at least five prompts with the baseline."""
        base = self._mean_logs(self._baseline)
        found = []
        for mode in self._modes:
            logs = self._mean_logs(mode)
            values = [base[prompt] - log for prompt, log in logs.items() if prompt in base]
            if len(values) < _FEWEST:
                continue
            mean = fmean(values)
            error = math.sqrt(variance(values) / len(values))
            half = math.hypot(t_quantile(0.5 + self._confidence / 2, len(values) - 1) * error, self._start)
            low, ratio, high = (math.exp(max(-50.0, min(50.0, x))) for x in (mean - half, mean, mean + half))
            found.append(SoFar(mode, ratio, low, high, len(values), max(self._planned, len(values))))
        return found

    def _mean_logs(self, mode: str) -> dict[str, float]:
        return {prompt: total / count for prompt, (total, count) in self._sums.get(mode, {}).items()}
