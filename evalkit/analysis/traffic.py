"""What a warm server does, and which of two servers production resembles: one that is fresh, or one that is warm. Pure.

Fresh prompts decide. The same prompts asked again show what the prefix cache, and drafts from earlier answers, add to
it; how often production asks again is read from the prompts or the trace that were given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.analysis.readings import Readings
from evalkit.analysis.speed import measure
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.stats.prefixes import Prefixes
from evalkit.stats.ratio import RatioEstimate
from evalkit.timing.facts import RepeatedSample, TimedSample, Traffic

#: share of the requests, or of their characters, from which on production is called warm
_MOSTLY = 0.5

#: fresh: little was asked before; prefix: beginnings were, answers were not; repeated: most requests were
Resembles = Literal["fresh", "prefix", "repeated"]


@dataclass(frozen=True, slots=True)
class Again:
    """The ratio of repeated prompts, and the share of prompt tokens that came from the prefix cache meanwhile: of the
    mode and of the baseline; None where a server does not report it. `counted`: not by replies, but by the servers' own
    counters, which include the first answers.
    """

    estimate: RatioEstimate
    cached: float | None
    baseline_cached: float | None
    counted: bool = False


def again(checklist: Checklist, facts: Facts, mode: str) -> Again | None:
    """`mode` against the baseline on prompts that each had answered before; None where they were not measured."""
    item, baseline = checklist.items.modes, checklist.baseline.speed
    if mode == baseline:
        return None
    mine = {name: _answered_before(facts.repeated, name) for name in (baseline, mode)}
    found = measure(Readings([*mine[baseline], *mine[mode]]), checklist, mode, item.level, item.confidence)
    if found is None:
        return None
    told = cached(mine[mode]), cached(mine[baseline])
    if told == (None, None):
        counts = _hits(facts, mode), _hits(facts, baseline)
        return Again(found, *counts, counted=counts != (None, None))
    return Again(found, *told)


def _hits(facts: Facts, mode: str) -> float | None:
    """Share of the prompt tokens that came from the prefix cache, by the server's own counters."""
    mine = [one for one in facts.prefix_hits if one.mode == mode]
    return sum(one.cached_tokens for one in mine) / sum(one.prompt_tokens for one in mine) if mine else None


@dataclass(frozen=True, slots=True)
class Talks:
    """Conversations that were played: how many and of how many turns in all, the ratio of first and of later turns, and
    the share of the later turns' prompt tokens that came from the prefix cache.
    """

    conversations: int
    turns: int
    first: RatioEstimate | None
    later: RatioEstimate | None
    cached: float | None
    baseline_cached: float | None


def conversations(checklist: Checklist, facts: Facts, mode: str) -> Talks | None:
    """What conversations show of `mode` at the deciding concurrency; None where none was played."""
    item, baseline = checklist.items.modes, checklist.baseline.speed
    mine = [s for s in facts.timed if s.turn and s.concurrency == item.level and s.mode in (mode, baseline)]
    mine = [s for s in mine if not s.fixed_length]
    if mode == baseline or not any(s.mode == mode for s in mine):
        return None
    first, later = [s for s in mine if s.turn == 1], [s for s in mine if s.turn != 1]
    ratios = [measure(Readings(part), checklist, mode, item.level, item.confidence) for part in (first, later)]
    return Talks(
        conversations=len({s.conversation for s in mine}), turns=len({s.prompt_id for s in mine}),
        first=ratios[0], later=ratios[1], cached=cached([s for s in later if s.mode == mode]),
        baseline_cached=cached([s for s in later if s.mode == baseline]),
    )  # fmt: skip


def _answered_before(samples: Iterable[RepeatedSample], mode: str) -> list[RepeatedSample]:
    """Repetitions of prompts whose first answer was one."""
    mine = [s for s in samples if s.mode == mode]
    first = {s.prompt for s in mine if not s.repeat and s.answered}
    return [s for s in mine if s.repeat and s.prompt in first]


def cached(samples: Sequence[TimedSample]) -> float | None:
    """Share of the prompt tokens that came from the prefix cache, of replies that report it; None without one."""
    told = [(e.cached_tokens, e.prompt_tokens) for s in samples if (e := s.exchange).ok]
    known = [(part, whole) for part, whole in told if part is not None and whole]
    return sum(part for part, _ in known) / sum(whole for _, whole in known) if known else None


def of_texts(
    source: str, kind: Literal["prompts", "trace"], seen: Prefixes, *, shipped: bool = False, sha256: str | None = None
) -> Traffic:
    """The record of requests that were read."""
    return Traffic(
        source=source, kind=kind, shipped=shipped, requests=seen.texts, repeated=seen.repeated,
        shared_prefix=seen.share, sha256=sha256,
    )  # fmt: skip


def production(facts: Facts) -> Traffic | None:
    """What is known of production's requests: a trace before prompts; prompts that evalkit ships say nothing of it."""
    own = [one for one in facts.traffic.values() if not one.shipped]
    return next((one for one in own if one.kind == "trace"), own[0] if own else None)


def resembles(traffic: Traffic) -> Resembles:
    """Which of the two production is like."""
    if traffic.repeated >= _MOSTLY:
        return "repeated"
    return "prefix" if traffic.shared_prefix >= _MOSTLY else "fresh"
