"""Traffic that comes again, for information: what a warm server does, and whether production is like that. Pure."""

from __future__ import annotations

from evalkit.analysis.traffic import again, conversations, production, resembles
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.modes import traffic_checks as check
from evalkit.items.modes import traffic_words as words


def traffic(checklist: Checklist, facts: Facts, mode: str) -> list[Finding]:
    """What repeated prompts, and the turns of conversations, show of one mode."""
    return [*_repeated(checklist, facts, mode), *_conversations(checklist, facts, mode)]


def _conversations(checklist: Checklist, facts: Facts, mode: str) -> list[Finding]:
    found = conversations(checklist, facts, mode)
    if found is None:
        return []
    first, later = ((e.ratio, e.low, e.high) if e else None for e in (found.first, found.later))
    values = words.Conversations(
        outcome=checklist.items.modes.turns or "scripted", mode=mode, baseline=checklist.baseline.speed,
        conversations=found.conversations, turns=found.turns, first=first, later=later, cached=found.cached,
        baseline_cached=found.baseline_cached,
    )  # fmt: skip
    return [check.CONVERSATIONS.found(values, mode=mode, counts=False, known_by=KnownBy.OBSERVED)]


def _repeated(checklist: Checklist, facts: Facts, mode: str) -> list[Finding]:
    """Nothing where no prompt was timed again."""
    found, asked = again(checklist, facts, mode), production(facts)
    if found is None:
        return []
    one = found.estimate
    values = words.Repeated(
        outcome=resembles(asked) if asked else "not-known", mode=mode, baseline=checklist.baseline.speed,
        ratio=one.ratio, low=one.low, high=one.high, pairs=one.pairs, cached=found.cached,
        baseline_cached=found.baseline_cached,
    )  # fmt: skip
    if asked is not None:
        values = values.model_copy(update={
            "source": asked.source, "requests": asked.requests, "asked_again": asked.repeated,
            "shared_prefix": asked.shared_prefix,
        })  # fmt: skip
    return [check.REPEATED.found(values, mode=mode, counts=False, known_by=KnownBy.OBSERVED)]
