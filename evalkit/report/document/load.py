"""Open load and capacity of one mode as report.json holds them."""

from __future__ import annotations

import math
from typing import Any

from evalkit.analysis import capacity as search
from evalkit.analysis.levels import STATUS
from evalkit.analysis.load import CAPACITY, behaviour, by_rate, shown
from evalkit.analysis.load_claims import LoadClaim, claims
from evalkit.checklist.load import LoadPoint
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.items.modes.load_words import slo_words
from evalkit.stats.percentiles import percentile
from evalkit.timing.facts import ENDS


def loads(checklist: Checklist, facts: Facts, label: str) -> list[dict[str, Any]]:
    """One entry for each load of the checklist that was played to this mode."""
    found = []
    for point in checklist.items.modes.load:
        whole = shown([b for b in facts.loads if b.mode == label and b.load == point.key])
        if whole is None:
            continue
        claim = claims(checklist, facts, point.key).get(label)
        found.append({
            "load": _load(point, whole.rate), "requests": whole.requests, "failed": whole.failed,
            "blocks": whole.blocks,
            "ends": {ENDS[letter]: count for letter, count in sorted(whole.ends.items())},
            "ttft_ms": dict(whole.ttft_ms), "e2e_ms": dict(whole.e2e_ms),
            "late_ms": {"p50": percentile(whole.late_ms, 0.5), "p99": percentile(whole.late_ms, 0.99)},
            "output_tokens_per_second": whole.tokens_per_second, "cached_share": whole.cached,
            "speedup": _ratio(claim, checklist) if claim else None,
        })  # fmt: skip
    return found


def _load(point: LoadPoint, rate: float) -> dict[str, Any]:
    said: dict[str, Any] = {"name": point.key, "intended_start": True}
    if point.rate is not None:
        return {**said, "kind": "rate", "rate": point.rate, "arrivals": point.arrivals, "seconds": point.seconds}
    return {**said, "kind": "trace", "rate": rate, "trace": point.trace, "speed": point.speed}


def _ratio(claim: LoadClaim, checklist: Checklist) -> dict[str, Any]:
    one = claim.ratio
    return {
        "baseline": claim.baseline, "ratio": one.ratio if one else None, "low": one.low if one else None,
        "high": one.high if one and math.isfinite(one.high) else None, "confidence": checklist.items.modes.confidence,
        "blocks": one.blocks if one else 0, "status": STATUS.get(claim.outcome, "inconclusive"),
    }  # fmt: skip


def capacity(checklist: Checklist, facts: Facts, label: str) -> dict[str, Any] | None:
    """The capacity of a mode with its curve of latency against rate; None where it was not searched."""
    item = checklist.items.modes
    blocks = [b for b in facts.loads if b.mode == label and b.load == CAPACITY]
    if item.capacity is None or not blocks:
        return None
    slo = item.capacity.slo
    found = search.capacity(search.edges_of(checklist, facts, label), item.capacity, item.confidence)
    claim = claims(checklist, facts, CAPACITY).get(label)
    ways = {behaviour(block, slo) for block in blocks}
    groups = [shown(group) for group in by_rate(facts.loads, label, CAPACITY).values()]
    curve = [
        {"rate": one.rate, "blocks": one.blocks, "ttft_ms": dict(one.ttft_ms), "e2e_ms": dict(one.e2e_ms)}
        for one in groups
        if one is not None
    ]
    return {
        "slo": {**slo.model_dump(mode="json"), "text": _slo(checklist)},
        "rate": found.rate if found else None, "low": found.low if found else None,
        "high": found.high if found and math.isfinite(found.high) else None, "blocks": found.blocks if found else 0,
        "seconds": item.capacity.seconds, "trials": len(blocks),
        "beyond": next((way for way in ("dies", "sheds", "queues", "slows") if way in ways), None),
        "ratio": _ratio(claim, checklist) if claim else None, "curve": curve,
    }  # fmt: skip


def _slo(checklist: Checklist) -> str:
    asked = checklist.items.modes.capacity
    return slo_words(asked.slo) if asked else ""
