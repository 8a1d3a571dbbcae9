"""A mode beside the model used today, in report.json."""

from __future__ import annotations

from typing import Literal

from pydantic import with_config
from typing_extensions import TypedDict

from evalkit.report.document.model.money import CostAgainst
from evalkit.report.document.model.part import PART


@with_config(PART)
class RatioAgainst(TypedDict):
    """Speed, or capacity, of a mode over the incumbent's: above 1 the mode is better."""

    ratio: float
    """The figure, paired: by prompt, or by block of an open load."""
    low: float | None
    """Lower end of its interval; null where it is open."""
    high: float | None
    """Upper end."""
    confidence: float | None
    """Of the interval."""
    pairs: int
    """Prompts, or blocks, of both."""
    answer: Literal["better", "worse", "inconclusive"]
    """By the whole interval, and where no guard is open."""
    guard: str | None
    """The check that keeps the figure from being believed."""
    engine: str | None
    """Engine and version under the mode."""
    incumbent_engine: str | None
    """Under the incumbent."""
    hardware: str | None
    """Cards under the mode, as far as they are known."""
    incumbent_hardware: str | None
    """Cards under the incumbent."""
    round_trip_ms: float | None
    """Shortest round trip to the mode's server, ms."""
    incumbent_round_trip_ms: float | None
    """To the incumbent's, ms."""


@with_config(PART)
class SuiteAgainst(TypedDict):
    """One suite of a mode beside the incumbent's."""

    suite: str
    """Its name."""
    pairs: int | None
    """Cases that were scored in both."""
    difference: float | None
    """Share of passed cases less the incumbent's."""
    low: float | None
    """Lower end of its interval."""
    high: float | None
    """Upper end."""
    margin: float | None
    """Largest acceptable loss."""
    answer: Literal["better", "no worse", "worse", "not compared"]
    """What the comparison says."""


@with_config(PART)
class AgainstIncumbent(TypedDict):
    """A mode beside the model used today; what was not compared is null, and the findings say why."""

    speedup: RatioAgainst | None
    """End-to-end speed at the deciding load."""
    capacity: RatioAgainst | None
    """Highest rate within the service level, where it was searched."""
    cost: CostAgainst | None
    """What requests and right answers cost, where both have a price."""
    quality: list[SuiteAgainst]
    """Suites that both answered."""
