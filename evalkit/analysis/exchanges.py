"""What was exchanged with the server of one mode, and what followed a tool call that failed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.client.types import Exchange
from evalkit.facts import Facts
from evalkit.quality.facts import ToolLoop
from evalkit.stats.edge import most_of

#: one-sided level from which a mode repeats calls more often than the baseline
_LEVEL = 0.05


def timed_of(facts: Facts, mode: str) -> list[Exchange]:
    """Of each timed request of the mode, failed ones too."""
    return [s.exchange for s in facts.timed if s.mode == mode]


def scored_of(facts: Facts, mode: str) -> list[Exchange]:
    """Of each answer of the mode to a task case, failed ones too."""
    return [a.exchange for a in facts.answers if a.mode == mode]


def of_mode(facts: Facts, mode: str) -> list[Exchange]:
    """Every stored exchange of the mode: timed requests, then task cases."""
    return timed_of(facts, mode) + scored_of(facts, mode)


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
