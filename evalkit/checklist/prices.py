"""The prices of a checklist: what an hour of a GPU costs, or what a hosted model is billed by."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from evalkit.checklist.base import Section

#: more than anything costs: a slip of the keyboard, or a price in another unit
_DEAREST = 1_000_000.0
Usd = Annotated[float, Field(ge=0, le=_DEAREST, allow_inf_nan=False)]
#: `hours`: the machine is paid while it is up; `usage`: what is sent and answered is
Kind = Literal["hours", "usage"]
_HOURS, _USAGE = (
    ("usd_per_gpu_hour", "gpus"),
    ("usd_per_million_input", "usd_per_million_output", "usd_per_request"),
)


class Cost(Section):
    """Prices: of the machine while it is up, or of what is sent to a hosted model. One of the two."""

    usd_per_gpu_hour: Usd | None = None
    """What an hour of one GPU costs."""
    gpus: Annotated[int, Field(gt=0, le=100_000)] | None = None
    """GPUs that are paid for one server; at least as many as it reports are counted. Default: as it reports, else 1."""
    usd_per_million_input: Usd | None = None
    """What a million tokens of prompts costs; 0 where they are free."""
    usd_per_million_output: Usd | None = None
    """What a million tokens of replies costs; 0 where they are free."""
    usd_per_request: Usd | None = None
    """What one request costs, in addition to its tokens."""

    @property
    def kind(self) -> Kind | None:
        """None: nothing here is a price."""
        if self.usd_per_gpu_hour is not None:
            return "hours"
        return "usage" if any(getattr(self, name) is not None for name in _USAGE) else None

    def over(self, above: Cost) -> Cost:
        """These keys over those of `above`; a price of the other kind takes the place of all of them."""
        own = {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
        hours = any(name in own for name in _HOURS)
        if self.kind == "usage" or (hours and above.kind == "usage"):
            return self
        return above.model_copy(update=own)

    @model_validator(mode="after")
    def _one_kind(self) -> Cost:
        by_hour = next((name for name in _HOURS if getattr(self, name) is not None), None)
        by_use = next((name for name in _USAGE if getattr(self, name) is not None), None)
        if by_hour and by_use:
            raise ValueError(
                f"{by_hour} and {by_use} contradict each other: a server is paid by the hour or by what it is sent. "
                "Give the prices of each server under modes.NAME.cost or incumbent.cost"
            )
        tokens = (self.usd_per_million_input, self.usd_per_million_output)
        if (tokens[0] is None) != (tokens[1] is None):
            given, missing = _USAGE[:2] if tokens[1] is None else _USAGE[1::-1]
            raise ValueError(f"{given} without {missing}: give both, 0 for tokens that are free")
        return self
