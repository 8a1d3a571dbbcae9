"""Money of report.json: what a mode costs, and beside the incumbent."""

from __future__ import annotations

from typing import Literal, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from evalkit.report.document.model.part import PART


@with_config(PART)
class Span(TypedDict):
    """A figure with its interval."""

    value: float
    """The figure."""
    low: float | None
    """Lower end; null where nothing says how sure the figure is."""
    high: float | None
    """Upper end; null also where there is none."""


@with_config(PART)
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


@with_config(PART)
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


@with_config(PART)
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
