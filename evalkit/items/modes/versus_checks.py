"""Checks of the modes item that set a mode beside the model used today. For information: `baseline` decides."""

from __future__ import annotations

from evalkit.findings import Check, Status

_OUTCOMES = {
    "better": Status.PASS,
    "worse": Status.WARN,
    "open": Status.INCONCLUSIVE,
    "guarded": Status.INCONCLUSIVE,
    "not-timed": Status.INCONCLUSIVE,
}
INCUMBENT_SPEED = Check(
    "modes.incumbent",
    "Faster than the model that you use today",
    "A mode that is faster than its own autoregressive decoding can still be slower than what you have.",
    "time more prompts, and mend what keeps the two from being compared; `baseline: {speed: incumbent}` makes it the "
    "claim that decides",
    per_mode=True,
    sources=("docs/replacing-todays-model.md",),
    outcomes=_OUTCOMES,
)
INCUMBENT_CAPACITY = Check(
    "modes.incumbent-capacity",
    "More requests a second than the model that you use today",
    "What a server takes within the service level decides how many of them you need.",
    "let the search run longer (`items.modes.capacity.blocks`), and mend what keeps the two from being compared",
    per_mode=True,
    sources=("docs/replacing-todays-model.md", "docs/load.md"),
    outcomes=_OUTCOMES,
)

VERSUS_CHECKS: tuple[Check, ...] = (INCUMBENT_SPEED, INCUMBENT_CAPACITY)
