"""What deciding returns: the result of each item and mode, and the decision."""

from __future__ import annotations

from typing import Literal

from evalkit.findings import Finding, Frozen, ItemId, Status
from evalkit.verdict.waivers import WaiverUse

Qualified = Literal["pass", "fail", "inconclusive"]
EXIT_CODES = {"go": 0, "no-go": 1, "inconclusive": 3}


class ItemResult(Frozen):
    id: ItemId
    status: Status
    required: bool
    summary: str
    findings: tuple[Finding, ...] = ()


class ModeResult(Frozen):
    mode: str
    qualified: Qualified
    adopted: bool
    reasons: tuple[str, ...] = ()


class Decision(Frozen):
    verdict: Literal["go", "no-go", "inconclusive"]
    exit_code: int
    recommended_mode: str | None
    reasons: tuple[str, ...]
    items: tuple[ItemResult, ...]
    modes: tuple[ModeResult, ...]
    waivers: tuple[WaiverUse, ...]
    strict: bool
    next_steps: tuple[str, ...]
    profile: str
    incumbent: str
