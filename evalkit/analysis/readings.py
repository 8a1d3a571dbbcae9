"""Timed samples, sorted into what can be compared. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from evalkit.analysis.order import Reading
from evalkit.timing.facts import TimedSample


class Readings:
    """Samples of one run by mode and concurrency: those with natural length, or those of the fixed-length diagnosis.

    Prompts are distinguished by their text: further ids of a text are further repeats of its prompt, and count once.
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

    def until_text(self, mode: str, level: int) -> dict[str, list[float]]:
        """Share of the E2E time after which the last text that a reader sees was there; one more step of decoding, as
        that which finds the end, goes with it.
        """
        shares: dict[str, list[float]] = {}
        for s in self.good(mode, level):
            e = s.exchange
            if e.last_visible_us and e.e2e_us:
                step = (e.last_visible_us - e.chunks[0][0]) / (len(e.chunks) - 1) if len(e.chunks) > 1 else 0.0
                shares.setdefault(s.prompt, []).append(min(1.0, (e.last_visible_us + max(0.0, step)) / e.e2e_us))
        return shares

    def tails(self, mode: str, level: int) -> list[float]:
        """Ms of each reply from that text to the end of its stream."""
        replies = [s.exchange for s in self.good(mode, level)]
        return [(e.e2e_us - e.last_visible_us) / 1000 for e in replies if e.e2e_us and e.last_visible_us]

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

    def read(self, level: int, *, per_token: bool = False) -> list[Reading]:
        """The readings of all modes at one concurrency, failed ones included; with `per_token`, time over tokens."""
        sent = [s for (_, at), group in self._samples.items() if at == level for s in group]
        return light(sent, level, per_token=per_token)


def light(samples: Iterable[TimedSample], level: int, *, per_token: bool = False) -> list[Reading]:
    """`samples` of one concurrency without their texts, in planned order."""
    ordered = sorted(samples, key=lambda s: s.position)
    groups = _groups(ordered, level)
    return [
        Reading(s.mode, s.prompt, _log(s, per_token=per_token), s.repeat, group, s.launch, s.position,
                s.exchange.written_at or "", s.cluster)
        for s, group in zip(ordered, groups, strict=True)
    ]  # fmt: skip


def _groups(ordered: Sequence[TimedSample], level: int) -> list[int]:
    """Of each sample: which prompts were in flight together. Journals of 0.1 do not say: runs of one mode were."""
    known: dict[str, int] = {}
    found: list[int] = []
    batch, before = -1, None
    for s in ordered:
        key = (s.mode, s.repeat, s.launch)
        batch, before = (batch + 1 if key != before or level == 1 else batch), key
        found.append(s.group if s.group is not None else known.setdefault(s.prompt, batch))
    return found


def _log(sample: TimedSample, *, per_token: bool) -> float | None:
    tokens = sample.exchange.completion_tokens if per_token else 1
    if not sample.answered or not tokens:
        return None
    return math.log(max((sample.exchange.e2e_us or 0) / 1000 / tokens, 1e-9))


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


def judged(samples: Iterable[TimedSample]) -> list[TimedSample]:
    """`samples`, with `taken` set where a reply alone does not show whether it is an answer.

    Reasoning alone is one where every mode that is compared at the same concurrency answers the prompt so. A reply
    without an end word is cut where its mode writes end words elsewhere, even if something behind it sent `[DONE]`.
    """
    given = list(samples)
    ends = {s.mode for s in given if s.exchange.ok and s.exchange.finish_reason is not None}
    modes: dict[int, set[str]] = {}
    reasoned: dict[tuple[int, str], set[str]] = {}
    for s in given:
        modes.setdefault(s.concurrency, set()).add(s.mode)
        if s.exchange.e2e_us and s.exchange.reasoned:
            reasoned.setdefault((s.concurrency, s.prompt), set()).add(s.mode)
    return [_judged(s, ends, modes, reasoned) for s in given]


def _judged(
    s: TimedSample, ends: set[str], modes: dict[int, set[str]], reasoned: dict[tuple[int, str], set[str]]
) -> TimedSample:
    reply = s.exchange
    if not reply.e2e_us:
        return s
    if reply.finish_reason is None and s.mode in ends:
        return s.model_copy(update={"taken": False})
    if reply.reasoned and reasoned[s.concurrency, s.prompt] == modes[s.concurrency]:
        return s.model_copy(update={"taken": True})
    return s
