"""What production will see, for information: prompts that repeat, conversations, cost, and today's model. Pure."""

from __future__ import annotations

import math
from typing import Literal

from evalkit.analysis import load_claims, speed
from evalkit.analysis.load import CAPACITY
from evalkit.analysis.money import Spent, against, spent
from evalkit.analysis.readings import Readings
from evalkit.analysis.traffic import again, conversations, production, resembles
from evalkit.analysis.versus import beside_incumbent, engine, machine, way_unknown
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Check, Finding, KnownBy
from evalkit.items.modes import checks as claimed
from evalkit.items.modes import traffic_checks as check
from evalkit.items.modes import traffic_words as words
from evalkit.items.modes.load import load
from evalkit.items.modes.validity import validity
from evalkit.modes import INCUMBENT

#: guards of a gain alone: a mode that is slower is so whatever it says
_OF_GAINS = (claimed.LENGTH.id, claimed.REPLIES.id)
#: claims, and targets of the mode itself: no guards
_CLAIMS = (check.LOAD.id, check.CAPACITY.id, check.LOAD_LATENCY.id, check.OVERLOAD.id)
_SIDES: dict[str, Literal["better", "worse"]] = {"shown": "better", "below": "worse"}


def traffic(checklist: Checklist, facts: Facts, mode: str) -> list[Finding]:
    """What repeated prompts, and the turns of conversations, show of one mode."""
    return [*_repeated(checklist, facts, mode), *_conversations(checklist, facts, mode)]


def _conversations(checklist: Checklist, facts: Facts, mode: str) -> list[Finding]:
    found = conversations(checklist, facts, mode)
    if found is None:
        return []
    first, later = ((e.ratio, e.low, e.high) if e else None for e in (found.first, found.later))
    values = words.Conversations(
        outcome=checklist.items.modes.turns or "scripted", mode=mode, baseline=checklist.baseline.speed,
        conversations=found.conversations, turns=found.turns, first=first, later=later, cached=found.cached,
        baseline_cached=found.baseline_cached,
    )  # fmt: skip
    return [check.CONVERSATIONS.found(values, mode=mode, counts=False, known_by=KnownBy.OBSERVED)]


def _repeated(checklist: Checklist, facts: Facts, mode: str) -> list[Finding]:
    """Nothing where no prompt was timed again."""
    found, asked = again(checklist, facts, mode), production(facts)
    if found is None:
        return []
    one = found.estimate
    values = words.Repeated(
        outcome=resembles(asked) if asked else "not-known", mode=mode, baseline=checklist.baseline.speed,
        ratio=one.ratio, low=one.low, high=one.high, pairs=one.pairs, cached=found.cached,
        baseline_cached=found.baseline_cached, counted=found.counted,
    )  # fmt: skip
    if asked is not None:
        values = values.model_copy(update={
            "source": asked.source, "requests": asked.requests, "asked_again": asked.repeated,
            "shared_prefix": asked.shared_prefix,
        })  # fmt: skip
    return [check.REPEATED.found(values, mode=mode, counts=False, known_by=KnownBy.OBSERVED)]


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


def versus(checklist: Checklist, facts: Facts, readings: Readings) -> list[Finding]:
    """Speed, and capacity where it was searched, of every mode against the incumbent; nothing without one."""
    if checklist.incumbent is None:
        return []
    asked, item = beside_incumbent(checklist), checklist.items.modes
    if item.decides == "load":
        found = _of_load(asked, facts, item.load[0].key, "load", check.INCUMBENT_SPEED)
    else:
        found = _speed(asked, facts, readings)
    return found + (_of_load(asked, facts, CAPACITY, "capacity", check.INCUMBENT_CAPACITY) if item.capacity else [])


def _speed(asked: Checklist, facts: Facts, readings: Readings) -> list[Finding]:
    level, made = asked.items.modes.level, []
    claims = speed.claims(asked, facts, readings)
    for mode in asked.modes:
        claim = claims[mode]
        one, values = claim.estimate, _of(asked, facts, mode, "speed")
        if one is None:
            made.append(_not_timed(check.INCUMBENT_SPEED, facts, values))
            continue
        values = values.model_copy(update={
            "ratio": one.ratio, "low": one.low, "high": one.high, "confidence": one.confidence, "pairs": one.pairs,
            "outcome": _SIDES.get(claim.outcome, "open"), "because": _because(claim.outcome),
        })  # fmt: skip
        sided = claim.outcome in _SIDES and bool(readings.good(mode, level))
        guards = validity(asked, facts, readings, mode, claim) if sided else []
        made.append(_guarded(check.INCUMBENT_SPEED, facts, values, guards))
    return made


def _of_load(asked: Checklist, facts: Facts, name: str, what: Literal["load", "capacity"], of: Check) -> list[Finding]:
    claims, made = load_claims.claims(asked, facts, name), []
    for mode in asked.modes:
        claim = claims[mode]
        one, values = claim.ratio, _of(asked, facts, mode, what)
        if one is None:
            made.append(_not_timed(of, facts, values))
            continue
        values = values.model_copy(update={
            "ratio": one.ratio, "low": one.low or None, "high": one.high if math.isfinite(one.high) else None,
            "confidence": asked.items.modes.confidence, "pairs": one.blocks,
            "outcome": _SIDES.get(claim.outcome, "open"), "because": _because(claim.outcome),
        })  # fmt: skip
        guards = [f for f in load(asked, facts, mode) if f.id not in _CLAIMS] if claim.outcome in _SIDES else []
        made.append(_guarded(of, facts, values, guards))
    return made


def _of(asked: Checklist, facts: Facts, mode: str, what: Literal["speed", "load", "capacity"]) -> words.Versus:
    """What is known of both sides before anything is compared."""
    ways = [served.round_trip_ms if (served := facts.endpoints.get(m)) else None for m in (mode, INCUMBENT)]
    return words.Versus(
        outcome="not-timed", mode=mode, what=what, engine=engine(facts, mode),
        incumbent_engine=engine(facts, INCUMBENT),
        hardware=machine(facts, mode), incumbent_hardware=machine(facts, INCUMBENT),
        note=asked.incumbent.note if asked.incumbent else None, round_trip_ms=ways[0], incumbent_round_trip_ms=ways[1],
    )  # fmt: skip


def _because(outcome: str) -> str | None:
    return None if outcome in _SIDES else outcome


def _not_timed(of: Check, facts: Facts, values: words.Versus) -> Finding:
    error = next((e.summary for e in facts.errors if e.item == "modes" and e.mode in (values.mode, INCUMBENT)), None)
    return of.found(values.model_copy(update={"why": error}), mode=values.mode, counts=False)


def _guarded(of: Check, facts: Facts, values: words.Versus, guards: list[Finding]) -> Finding:
    """A side is taken only where no guard is open."""
    if values.outcome in ("better", "worse"):
        open_ = [g for g in guards if not g.status.carries and (values.outcome == "better" or g.id not in _OF_GAINS)]
        update: dict[str, object] = {}
        if open_:
            update = {"outcome": "guarded", "guard": open_[0].id, "why": open_[0].summary}
        elif way_unknown(facts, values.mode):
            update = {"outcome": "guarded", "guard": claimed.ROUND_TRIP.id, "why": words.NO_ROUND_TRIP}
        values = values.model_copy(update=update)
    return of.found(values, mode=values.mode, counts=False, known_by=KnownBy.OBSERVED)
