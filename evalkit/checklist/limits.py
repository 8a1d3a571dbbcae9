"""The `limits` section: deadlines and caps that a checklist may change. The defaults are in `evalkit.limits`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from evalkit.checklist.base import Positive, Section
from evalkit.limits import CONTROL, GENERATION, ControlLimits, Limits

_Count = Annotated[int, Field(gt=0)]


class LimitsSection(Section):
    """How long evalkit waits for a server, and how much it reads. A request beyond them has failed."""

    connect_s: Positive = GENERATION.connect_s
    """Seconds until a connection is open."""
    first_byte_s: Positive = GENERATION.first_byte_s
    """Seconds from a request's last byte to its reply's first."""
    idle_s: Positive = GENERATION.idle_s
    """Seconds of silence inside a reply."""
    total_s: Positive = GENERATION.total_s
    """Seconds of a whole reply; raise it for outputs that take longer."""
    max_bytes: _Count = GENERATION.max_bytes
    """Bytes of a whole reply."""
    max_line_bytes: _Count = GENERATION.max_line_bytes
    """Bytes of one event of a stream."""
    max_events: _Count = GENERATION.max_events
    """Events of one stream."""
    control_total_s: Positive = CONTROL.total_s
    """Seconds for each answer of a server about itself (models, settings, metrics)."""

    def generation(self) -> Limits:
        """Deadlines and caps of a request for text."""
        return replace(GENERATION, **self.model_dump(exclude={"control_total_s"}))

    def control(self) -> ControlLimits:
        """Deadlines and caps of a question about the server."""
        total = self.control_total_s
        return replace(
            CONTROL, connect_s=min(CONTROL.connect_s, total), idle_s=min(CONTROL.idle_s, total), total_s=total
        )
