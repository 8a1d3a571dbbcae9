"""What was exchanged with the server of one mode. Pure."""

from __future__ import annotations

from evalkit.client.types import Exchange
from evalkit.facts import Facts


def timed_of(facts: Facts, mode: str) -> list[Exchange]:
    """Of each timed request of the mode, failed ones too."""
    return [s.exchange for s in facts.timed if s.mode == mode]


def scored_of(facts: Facts, mode: str) -> list[Exchange]:
    """Of each answer of the mode to a task case, failed ones too."""
    return [a.exchange for a in facts.answers if a.mode == mode]


def of_mode(facts: Facts, mode: str) -> list[Exchange]:
    """Every stored exchange of the mode: timed requests, then task cases."""
    return timed_of(facts, mode) + scored_of(facts, mode)
