"""What a mode costs, and a mode beside the model used today, in report.json."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict


class Span(TypedDict):
    """A figure with its interval."""

    value: float
    """The figure."""
    low: float | None
    """Lower end; null where nothing says how sure the figure is."""
    high: float | None
    """Upper end; null also where there is none."""


class Cost(TypedDict):
    """What one server costs at the deciding load, in USD."""

    per_1000_requests: float
    """1,000 requests of this traffic."""
    low: NotRequired[float | None]
    """Lower end of its interval; null where nothing says how sure it is."""
    high: NotRequired[float | None]
    """Upper end."""
    per_1000_right: Span | None
    """1,000 right answers: over the share of the scored answers that were right. Null where none was."""
    confidence: NotRequired[float]
    """Of the intervals."""
    paid_by: NotRequired[Literal["hours", "usage"]]
    """An hour of the machine, or what is sent and answered."""
    at: NotRequired[Literal["concurrency", "load", "capacity"]]
    """The kind of load that decides."""
    concurrency: NotRequired[int | None]
    """Requests in flight, where a concurrency decides."""
    requests_per_second: NotRequired[float | None]
    """What one server answers at that load."""
    gpus: NotRequired[int | None]
    """GPUs that are paid for; null where usage is."""
    right_share: NotRequired[float | None]
    """Share of the scored answers that were right, over independent cases."""
    scored: NotRequired[int]
    """Independent cases that were scored."""


class BreakEven(TypedDict):
    """From which rate a server that is paid by the hour costs less than a model that bills usage."""

    self_hosted: str
    """The one that is paid by the hour: a mode, or `incumbent`."""
    requests_per_hour: float
    """From this rate on it costs less."""
    low: float | None
    """Lower end of its interval."""
    high: float | None
    """Upper end."""
    within_one_server: bool | None
    """Whether one server serves as many at the deciding load; null where it was asked for less."""


class CostAgainst(TypedDict):
    """A mode's cost beside the incumbent's."""

    per_1000_requests: float
    """USD, of the mode."""
    incumbent_per_1000_requests: float
    """USD, of the incumbent."""
    ratio: float
    """The incumbent's over the mode's, on the same prompts: above 1 the mode costs less."""
    low: float | None
    """Lower end of its interval."""
    high: float | None
    """Upper end."""
    answer: Literal["better", "worse", "inconclusive"]
    """Whether the mode costs less, by the whole interval."""
    right: Span | None
    """The same ratio for right answers."""
    break_even: BreakEven | None
    """Null where both are paid alike."""


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
