"""What deciding returns, and what a checklist asks too little of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from evalkit import fmt
from evalkit.checklist.schema import Checklist, ModesItem, QualityItem
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


#: a loss from which on a margin lets nearly anything pass, and the fewest of the cases that must be scored
LARGE_LOSS, _FEW_SCORED = 0.25, 0.5
#: how sure a checklist is unless it says otherwise, and how many times the other work it allows
_DEFAULT, _ALPHA, _BUSY = ModesItem(), QualityItem().alpha, 2.0


def asks_little(checklist: Checklist, kinds: Iterable[str]) -> str | None:
    """`The checklist asks for little: …`, of suites of these kinds; None where it asks for more."""
    found = fmt.listed(list(_little(checklist, tuple(kinds))), most=9)
    return f"The checklist asks for little: {found}." if found else None


def _little(checklist: Checklist, kinds: tuple[str, ...]) -> Iterator[str]:
    speed, quality = checklist.items.modes, checklist.items.quality
    for name, item in (("speed", speed), ("quality", quality)):
        if not item.required and item.not_applicable is None:
            yield f"{name} is not required"
    if speed.required and speed.speedup.at_least < 1:
        yield f"a mode at {fmt.threshold(speed.speedup.at_least)} the speed of {checklist.baseline.speed} may pass"
    if speed.required and speed.confidence < _DEFAULT.confidence:
        yield f"speed is held to {fmt.share(speed.confidence)} confidence"
    if (
        speed.required
        and max(speed.outside_cpu / _DEFAULT.outside_cpu, speed.outside_gpu / _DEFAULT.outside_gpu) >= _BUSY
    ):
        yield "other work may take most of the machine"
    if not quality.required or quality.not_applicable:
        return
    if quality.alpha > _ALPHA:
        yield f"a loss beyond the margin may pass in {fmt.share(quality.alpha)} of the runs"
    loss = max((quality.margin.of(kind) for kind in kinds), default=0.0)
    if loss >= LARGE_LOSS:
        yield f"a mode may lose up to {fmt.margin(loss)}"
    if any(quality.floor.of(kind) == 0 for kind in kinds):
        yield "a mode may fail every case"
    if quality.completeness < _FEW_SCORED:
        yield f"{fmt.share(quality.completeness)} of the cases must be scored"
