"""What was exchanged with the server of one mode. Pure."""

from __future__ import annotations

from evalkit.client.types import Exchange
from evalkit.facts import Facts


def of_mode(facts: Facts, mode: str) -> list[Exchange]:
    """Every stored exchange of the mode, failed ones too: timed requests, then task cases."""
    timed = [s.exchange for s in facts.timed if s.mode == mode]
    return timed + [a.exchange for a in facts.answers if a.mode == mode]
