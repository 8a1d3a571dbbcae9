"""Open load of item 2: arrivals at a rate, replay of a trace, and the service level that capacity is searched at."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from evalkit.checklist.base import Positive, Section, Share

#: fewest blocks a mode on which a claim under open load is decided
MIN_BLOCKS = 8
_GAMMA = re.compile(r"gamma\(\s*(\d{1,3}(?:\.\d{1,4})?)\s*\)\Z")


def _arrivals(value: object) -> object:
    if value in ("poisson", "constant"):
        return value
    found = _GAMMA.match(value) if isinstance(value, str) else None
    if found is None or float(found[1]) <= 0:
        raise ValueError("write poisson, constant, or gamma(CV) with the coefficient of variation, as gamma(2)")
    return f"gamma({float(found[1]):g})"


def variation(arrivals: str) -> float:
    """The coefficient of variation of the gaps between arrivals: 0 is constant, 1 Poisson, above 1 bursts."""
    if arrivals == "constant":
        return 0.0
    found = _GAMMA.match(arrivals)
    return float(found[1]) if found else 1.0


Arrivals = Annotated[str, BeforeValidator(_arrivals)]
Blocks = Annotated[int, Field(ge=MIN_BLOCKS, le=500)]


class LoadPoint(Section):
    """One open load: `rate`, or `trace`. Requests are sent at their times, whether or not earlier ones are done."""

    rate: Annotated[float, Field(gt=0, le=100_000)] | None = None
    """Requests a second."""
    arrivals: Arrivals = "poisson"
    """How the gaps between requests vary: `poisson`, `constant`, or `gamma(CV)` with their coefficient of variation."""
    seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """Length of a block at `rate`, in seconds."""
    trace: str | None = None
    """File of requests with time stamps, replayed at its own times: own logs, Mooncake, AIPerf and vLLM traces."""
    speed: Annotated[float, Field(gt=0, le=10_000)] = 1.0
    """How many times as fast as recorded the trace is replayed."""
    unit: Literal["ms", "s"] = "ms"
    """Unit of the trace's time stamps."""
    blocks: Blocks = MIN_BLOCKS
    """Blocks a mode. Each block goes to every mode, with a pause between in which all requests end. A trace is cut into
    so many pieces of equal length."""

    @model_validator(mode="after")
    def _one_kind(self) -> LoadPoint:
        if (self.rate is None) == (self.trace is None):
            raise ValueError("an entry of load has either rate or trace")
        fields = type(self).model_fields
        for key, of, has in (("arrivals", "rate", self.rate), ("seconds", "rate", self.rate),
                             ("speed", "trace", self.trace), ("unit", "trace", self.trace)):  # fmt: skip
            if has is None and getattr(self, key) != fields[key].default:
                raise ValueError(f"{key} goes with {of}")
        return self

    @property
    def key(self) -> str:
        """What tells the loads of a checklist apart, in journal and report."""
        if self.rate is not None:
            return f"{self.rate:g}/s {self.arrivals}"
        return f"{self.trace} x{self.speed:g}"


class Slo(Section):
    """The service level: the share of requests that is within every limit."""

    ttft_ms: Positive | None = None
    """Limit on the time to first text, from the intended start, in ms."""
    e2e_ms: Positive | None = None
    """Limit on the end-to-end latency, from the intended start, in ms."""
    tpot_ms: Positive | None = None
    """Limit on the time per output token: end-to-end latency over output tokens, in ms."""
    share: Share = 0.95
    """Share of the requests of a block that must be within all limits."""

    @model_validator(mode="after")
    def _limited(self) -> Slo:
        if self.ttft_ms is None and self.e2e_ms is None and self.tpot_ms is None:
            raise ValueError("slo needs a limit: ttft_ms, e2e_ms or tpot_ms")
        return self


class CapacityAsked(Section):
    """The highest rate at which a mode keeps the service level, and by how much it must exceed the baseline's."""

    slo: Slo
    """The service level."""
    at_least: Positive = 1.0
    """Smallest acceptable ratio of the mode's capacity to the baseline's. Its interval must lie above."""
    arrivals: Arrivals = "poisson"
    """How the gaps between requests vary, as in `load`."""
    seconds: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """Length of a block, in seconds. The first fifth of a block is sent and not counted."""
    blocks: Blocks = MIN_BLOCKS
    """Blocks a mode, behind a pilot that finds where to look. In each, the rate is raised or lowered on the same
    arrivals until the edge is found."""
    resolution: Annotated[float, Field(gt=1, le=2)] = 1.1
    """Ratio of the two rates between which the edge of a block lies when its search ends."""
    start: Positive | None = None
    """Rate at which the search begins, in requests a second; default: from the closed-loop times."""
    most: Positive | None = None
    """Highest rate that is tried, in requests a second; default: as fast as evalkit can send and time here."""
