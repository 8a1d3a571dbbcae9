"""Timed samples, sorted into what can be compared. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import fmean

from evalkit.analysis.answers import judged
from evalkit.stats.ratio import launch_variance
from evalkit.timing.facts import TimedSample


class Readings:
    """Samples of one run by mode and concurrency: those with natural length, or those of the fixed-length diagnosis.

    Prompts are told apart by their text: further ids of a text are further repeats of its prompt, and count once.
    """

    def __init__(self, samples: Iterable[TimedSample], *, fixed_length: bool = False) -> None:
        self._samples: dict[tuple[str, int], list[TimedSample]] = {}
        for sample in judged(samples):
            if sample.fixed_length == fixed_length:
                self._samples.setdefault((sample.mode, sample.concurrency), []).append(sample)
        self._good = {key: [s for s in group if s.answered] for key, group in self._samples.items()}

    def all(self, mode: str, level: int) -> list[TimedSample]:
        return self._samples.get((mode, level), [])

    def good(self, mode: str, level: int) -> list[TimedSample]:
        return self._good.get((mode, level), [])

    def levels(self, mode: str) -> list[int]:
        return [level for name, level in self._samples if name == mode]

    def times(self, mode: str, level: int) -> dict[str, list[float]]:
        """E2E in ms of each prompt's repeats."""
        times: dict[str, list[float]] = {}
        for s in self.good(mode, level):
            times.setdefault(s.prompt, []).append((s.exchange.e2e_us or 0) / 1000)
        return times

    def per_token(self, mode: str, level: int) -> dict[str, list[float]]:
        """E2E in ms over output tokens, where the server counted them."""
        times: dict[str, list[float]] = {}
        for s in self.good(mode, level):
            if s.exchange.completion_tokens:
                each = (s.exchange.e2e_us or 0) / 1000 / s.exchange.completion_tokens
                times.setdefault(s.prompt, []).append(each)
        return times

    def tokens(self, mode: str, level: int) -> dict[str, list[float]]:
        counts: dict[str, list[float]] = {}
        for s in self.good(mode, level):
            if s.exchange.completion_tokens:
                counts.setdefault(s.prompt, []).append(float(s.exchange.completion_tokens))
        return counts

    def clusters(self, mode: str, level: int) -> dict[str, str | None]:
        return {s.prompt: s.cluster for s in self._firsts_last(mode, level)}

    def tags(self, mode: str, level: int) -> dict[str, tuple[str, ...]]:
        return {s.prompt: s.tags for s in self._firsts_last(mode, level)}

    def _firsts_last(self, mode: str, level: int) -> list[TimedSample]:
        """All samples, so that of several ids with one text the one that the others are named by is said last."""
        return sorted(self.all(mode, level), key=lambda s: s.same_as is None)

    def launches(self, mode: str, level: int) -> set[int]:
        return {s.launch for s in self.all(mode, level)}

    def failed(self, mode: str, level: int) -> int:
        return sum(not s.answered for s in self.all(mode, level))

    def first_values(self, mode: str, level: int, metric: str) -> list[float]:
        """One value a prompt in ms, its first reading; infinity for a request that failed: it met no target."""
        first: dict[str, TimedSample] = {}
        for s in sorted(self.all(mode, level), key=lambda s: (s.repeat, s.position)):
            first.setdefault(s.prompt, s)
        return [value_ms(s, metric) for s in first.values()]

    def independent(self, mode: str, level: int) -> int:
        """Of the prompts that were sent: as many independent ones as their clusters allow."""
        return effective(self.clusters(mode, level).values())

    def interleaved(self, one: str, other: str, level: int) -> bool:
        """Whether the two modes were timed in turn rather than one after the other."""
        mine = [s.exchange.written_at or "" for s in self.all(one, level)]
        theirs = [s.exchange.written_at or "" for s in self.all(other, level)]
        return bool(mine and theirs) and min(mine) < max(theirs) and min(theirs) < max(mine)

    def launch_spread(self, pair: tuple[str, str], level: int) -> tuple[float, float]:
        """Variance of the pair's mean log ratio from the spread between starts, and its degrees of freedom.

        The spread is pooled over all modes that were started more than once, on prompts answered in each start of the
        mode. (0, 0): none to see.
        """
        spreads: list[tuple[float, int]] = []
        starts: dict[str, int] = {}
        for mode, at in self._samples:
            if at == level:
                by_launch = self._by_launch(mode, level)
                starts[mode] = len(by_launch)
                if len(by_launch) >= 2:
                    spreads.append(launch_variance(by_launch))
        freedom = sum(df for _, df in spreads)
        if not freedom or min(starts.get(mode, 0) for mode in pair) < 2:
            return 0.0, 0.0
        pooled = sum(spread * df for spread, df in spreads) / freedom
        return pooled * sum(1 / starts[mode] for mode in pair), freedom

    def _by_launch(self, mode: str, level: int) -> list[list[float]]:
        """Log times of a mode's starts, of the prompts that were answered in each of them."""
        found: dict[int, dict[str, list[float]]] = {}
        for s in self.good(mode, level):
            found.setdefault(s.launch, {}).setdefault(s.prompt, []).append(math.log(s.exchange.e2e_us or 1))
        common = set.intersection(*(set(prompts) for prompts in found.values())) if found else set()
        return [[fmean(prompts[p]) for p in sorted(common)] for prompts in found.values()] if common else []


def effective(clusters: Iterable[str | None]) -> int:
    """How many clusters of equal size carry as much as these: (sum of sizes)² over the sum of their squares.

    A prompt without a cluster is one by itself; one that outweighs the rest makes an interval too narrow. Sources: Kish
    1965, Survey Sampling; for clustered errors Carter, Schnepel & Steigerwald 2017 (Rev. Econ. Stat. 99:698).
    """
    sizes = Counter(cluster if cluster is not None else place for place, cluster in enumerate(clusters))
    return math.floor(sum(sizes.values()) ** 2 / sum(n * n for n in sizes.values()) + 1e-9) if sizes else 0


def value_ms(sample: TimedSample, metric: str) -> float:
    """TTFT or E2E in ms; infinity when the request failed or never showed text."""
    us = sample.exchange.first_chunk_us if metric == "ttft" else sample.exchange.e2e_us
    return us / 1000 if sample.answered and us is not None else math.inf


def geometric(values: Mapping[str, float]) -> float | None:
    """Exp of the mean of logs."""
    return math.exp(fmean(values.values())) if values else None
