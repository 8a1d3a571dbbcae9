"""What models do after a tool call that failed: ask the same again, ask otherwise, or say so. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.facts import Facts
from evalkit.quality.facts import ToolLoop
from evalkit.stats.edge import most_of

#: one-sided level from which a mode repeats calls more often than the baseline
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Loops:
    """Second steps of one mode that were answered: how many repeat a call, call otherwise, or do not call."""

    steps: int
    repeated: int
    otherwise: int
    text: int


def loops(facts: Facts, mode: str) -> Loops:
    """Of all suites together."""
    mine = _answered(facts, mode).values()
    repeated = sum(one.same > 0 for one in mine)
    text = sum(not one.calls for one in mine)
    return Loops(len(mine), repeated, len(mine) - repeated - text, text)


def more_than(facts: Facts, mode: str, baseline: str) -> bool:
    """Whether `mode` repeats calls more often than the baseline on the same cases, beyond chance (exact sign test)."""
    mine, theirs = _answered(facts, mode), _answered(facts, baseline)
    both = mine.keys() & theirs.keys()
    more = sum(mine[case].same > 0 and not theirs[case].same for case in both)
    less = sum(theirs[case].same > 0 and not mine[case].same for case in both)
    return most_of(more, more + less, 1 - _LEVEL) == "most"


def _answered(facts: Facts, mode: str) -> Mapping[tuple[str, str], ToolLoop]:
    return {(one.suite, one.case_id): one for one in facts.tool_loops.values() if one.mode == mode and one.exchange.ok}
