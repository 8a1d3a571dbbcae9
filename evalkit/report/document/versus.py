"""A mode beside the model used today, as report.json has it: from the findings, so that both say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.items.modes.versus_checks import INCUMBENT_CAPACITY, INCUMBENT_SPEED
from evalkit.items.quality.checks import INCUMBENT as INCUMBENT_QUALITY
from evalkit.items.quality.checks import VERSUS

if TYPE_CHECKING:
    from evalkit.findings import Finding
    from evalkit.verdict.results import Decision

_ANSWERS = {"better": "better", "worse": "worse"}
_FIGURES = (
    "ratio", "low", "high", "confidence", "pairs", "engine", "incumbent_engine", "hardware", "incumbent_hardware",
    "round_trip_ms", "incumbent_round_trip_ms", "guard",
)  # fmt: skip


def versus(decision: Decision, mode: str, cost: dict[str, Any] | None) -> dict[str, Any]:
    """What was not compared is null, and why is in the findings."""
    mine = [f for item in decision.items for f in item.findings if f.mode == mode]
    return {
        "speedup": _ratio(mine, INCUMBENT_SPEED.id), "capacity": _ratio(mine, INCUMBENT_CAPACITY.id), "cost": cost,
        "quality": [_suite(f) for f in mine if f.id == INCUMBENT_QUALITY.id and f.data.get("suite") is not None],
    }  # fmt: skip


def _ratio(findings: list[Finding], of: str) -> dict[str, Any] | None:
    found = next((f for f in findings if f.id == of), None)
    if found is None or found.data.get("ratio") is None:
        return None
    return {name: found.data.get(name) for name in _FIGURES} | {"answer": _ANSWERS.get(found.outcome, "inconclusive")}


def _suite(found: Finding) -> dict[str, Any]:
    figures = {name: found.data.get(name) for name in ("suite", "pairs", "difference", "low", "high", "margin")}
    return figures | {"answer": VERSUS.get(found.outcome, "not compared")}
