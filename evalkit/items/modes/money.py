"""What a mode and today's model cost, for information. Pure."""

from __future__ import annotations

from evalkit.analysis.money import Spent, against, spent
from evalkit.analysis.readings import Readings
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.modes import money_checks as check
from evalkit.items.modes import money_words as words
from evalkit.modes import INCUMBENT

__all__ = ["money"]


def money(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> list[Finding]:
    """What the mode (or the incumbent) costs where a price is given, and beside today's model."""
    found = [_cost(checklist, facts, readings, mode), _beside(checklist, facts, readings, mode)]
    return [one for one in found if one is not None]


def _cost(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Finding | None:
    item = checklist.items.modes
    found = spent(checklist, facts, readings, mode)
    if found is None:
        return None
    if not isinstance(found, Spent):
        unknown = words.Cost(outcome="not-known", missing=found, concurrency=item.level, at=item.decides)
        return check.COST.found(unknown, mode=mode, counts=False)
    values = words.Cost.of(found, item.level, item.decides)
    return check.COST.found(values, mode=mode, counts=False, known_by=KnownBy.INFERRED)


def _beside(checklist: Checklist, facts: Facts, readings: Readings, mode: str) -> Finding | None:
    """Nothing where one side has no price: the comparison was not asked for."""
    priced = [checklist.prices(label).kind is not None for label in (mode, INCUMBENT)]
    if mode == INCUMBENT or checklist.incumbent is None or not all(priced):
        return None
    found = against(checklist, facts, readings, mode)
    if found is None:
        return check.INCUMBENT_COST.found(words.IncumbentCost(outcome="not-known", mode=mode), mode=mode, counts=False)
    values = words.IncumbentCost.of(found, mode)
    return check.INCUMBENT_COST.found(values, mode=mode, counts=False, known_by=KnownBy.INFERRED)
