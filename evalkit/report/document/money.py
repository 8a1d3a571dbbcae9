"""Money in report.json: what a mode costs, and beside today's model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.analysis.readings import Readings
    from evalkit.checklist.schema import Checklist
    from evalkit.facts import Facts
    from evalkit.stats.means import Amount


def cost(checklist: Checklist, facts: Facts, readings: Readings, label: str) -> dict[str, Any] | None:
    """None without a price, or where what it pays for was not measured."""
    from evalkit.analysis.money import Spent, spent

    found = spent(checklist, facts, readings, label)
    if not isinstance(found, Spent):
        return None
    item = checklist.items.modes
    return {
        "per_1000_requests": found.per_1000.value, "low": found.per_1000.low, "high": found.per_1000.high,
        "per_1000_right": _amount(found.per_1000_right), "confidence": item.confidence, "paid_by": found.kind,
        "at": item.decides, "concurrency": item.level if item.decides == "concurrency" else None,
        "requests_per_second": found.rate.value if found.rate else None,
        "gpus": found.gpus if found.kind == "hours" else None,
        "right_share": found.right.value if found.right else None, "scored": found.scored,
    }  # fmt: skip


def cost_against(checklist: Checklist, facts: Facts, readings: Readings, label: str) -> dict[str, Any] | None:
    """A mode's cost beside today's model; None where one of the two is not known."""
    from evalkit.analysis.money import against

    found = against(checklist, facts, readings, label)
    if found is None:
        return None
    even = found.even
    answer = {"cheaper": "better", "dearer": "worse", "undecided": "inconclusive"}[found.answer]
    return {
        "per_1000_requests": found.mine.per_1000.value,
        "incumbent_per_1000_requests": found.theirs.per_1000.value,
        "ratio": found.requests.value, "low": found.requests.low, "high": found.requests.high, "answer": answer,
        "right": _amount(found.right),
        "break_even": {
            "self_hosted": even.hosted, "requests_per_hour": even.per_hour.value, "low": even.per_hour.low,
            "high": even.per_hour.high, "within_one_server": even.within,
        } if even else None,
    }  # fmt: skip


def _amount(found: Amount | None) -> dict[str, float | None] | None:
    return {"value": found.value, "low": found.low, "high": found.high} if found else None
