"""Deadlines and caps of everything that a server may send: the one place that sets them.

Deadlines are seconds on a monotonic clock. A checklist overrides them in its `limits` section; a task or a tool that
needs others makes them with `replace`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """One generation: how long each part of it may take, and how much may arrive."""

    connect_s: float = 10.0
    #: from the request's last byte to the reply's first
    first_byte_s: float = 120.0
    #: between two reads
    idle_s: float = 60.0
    #: the whole reply: what bounds a drip and an endless stream
    total_s: float = 600.0
    max_bytes: int = 64 * 1024 * 1024
    max_line_bytes: int = 4 * 1024 * 1024
    max_events: int = 200_000
    max_headers: int = 256
    max_header_bytes: int = 64 * 1024
    #: levels of JSON inside each other
    max_depth: int = 64


@dataclass(frozen=True)
class ControlLimits:
    """One read of what a server says of itself."""

    connect_s: float = 5.0
    idle_s: float = 5.0
    total_s: float = 10.0
    max_bytes: int = 4 * 1024 * 1024


def within(limits: Limits, cap: Limits) -> Limits:
    """The tighter of two, field by field."""
    return Limits(**{one.name: min(getattr(limits, one.name), getattr(cap, one.name)) for one in fields(Limits)})


#: a generation, unless the checklist says otherwise
GENERATION = Limits()
#: short requests that ask for a capability: a hang is itself the answer
CAPABILITY = Limits(connect_s=5, first_byte_s=30, idle_s=15, total_s=45)
#: the calibration on loopback
CALIBRATION = Limits(connect_s=20, first_byte_s=20, idle_s=20, total_s=60)
#: what a server says of itself
CONTROL = ControlLimits()
#: asking a server that is still starting
READINESS = ControlLimits(connect_s=2, idle_s=3, total_s=5)
#: emptying a cache, which waits for running requests
FLUSH_S = 40.0
#: requests without any reply, one after the other, after which a server is left alone
GIVE_UP_AFTER = 3
