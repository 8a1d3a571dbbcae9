"""The modes of the report: identity, timing by concurrency, distributions for charts, timelines of single requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from evalkit.analysis import frontier as analysis
from evalkit.analysis.each import prompts as each
from evalkit.analysis.levels import summarise_modes
from evalkit.analysis.money import Spent, against, spent
from evalkit.analysis.readings import Readings
from evalkit.analysis.speed import reference
from evalkit.analysis.traffic import again
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import Finding
from evalkit.items.modes.traffic_checks import INCUMBENT_CAPACITY, INCUMBENT_SPEED
from evalkit.items.quality.checks import INCUMBENT as INCUMBENT_QUALITY
from evalkit.items.quality.checks import VERSUS
from evalkit.modes import INCUMBENT
from evalkit.report.document.load import capacity, loads
from evalkit.stats.means import Amount
from evalkit.timing.facts import TimedSample
from evalkit.verdict.results import Decision

#: points of a stored distribution: enough for a curve, small enough for a document
_STEPS = 40
_CHUNKS = 400


def modes(checklist: Checklist, facts: Facts, decision: Decision) -> list[dict[str, Any]]:
    """One entry a configured mode, in configured order, with what became of it."""
    results = {result.mode: result for result in decision.modes}
    labels = [*checklist.modes, *(m for m in results if m not in checklist.modes)]
    timing, readings = _timing(labels, facts, checklist), Readings(facts.timed)
    entries = []
    for label in labels:
        entry = {**_entry(label, facts, timing[label]), **_open_load(checklist, facts, label)}
        entry |= _repeated(checklist, facts, label)
        entry["cost"] = cost(checklist, facts, readings, label)
        entry["vs_incumbent"] = (
            versus(decision, label, cost_against(checklist, facts, readings, label)) if checklist.incumbent else None
        )
        result = results.get(label)
        entry["qualified"] = result.qualified if result else "inconclusive"
        entry["adopted"] = result.adopted if result else False
        entry["reasons"] = list(result.reasons) if result else []
        entries.append(entry)
    return entries


def incumbent(checklist: Checklist, facts: Facts) -> dict[str, Any] | None:
    """The incumbent in the shape of a mode, or None when none is configured."""
    if checklist.incumbent is None:
        return None
    timing = _timing([INCUMBENT], facts, checklist)[INCUMBENT]
    return {
        **_entry(INCUMBENT, facts, timing),
        **_open_load(checklist, facts, INCUMBENT),
        "cost": cost(checklist, facts, Readings(facts.timed), INCUMBENT),
        "vs_incumbent": None,
        "qualified": "inconclusive",
        "adopted": False,
        "reasons": [],
    }


def _entry(label: str, facts: Facts, timing: dict[str, Any]) -> dict[str, Any]:
    endpoint = facts.endpoints.get(label)
    identity = {
        "mode": label,
        "endpoint": endpoint.endpoint if endpoint else None,
        "engine": endpoint.engine if endpoint else None,
        "engine_version": endpoint.engine_version if endpoint else None,
        "release": endpoint.release if endpoint else "unknown",
        "model": endpoint.model if endpoint else None,
        "declared_mode": endpoint.declared_mode if endpoint else None,
        "observed_mode": endpoint.observed_mode if endpoint else None,
        "known_by": endpoint.known_by.value if endpoint and endpoint.known_by else None,
        "block_size": endpoint.block_size if endpoint else None,
        **({"timing_label": label_of} if (label_of := reference(facts, label)) else {}),
        "settings": dict(sorted(endpoint.settings.items())) if endpoint else {},
        "provenance": dict(sorted(endpoint.provenance.items())) if endpoint else {},
    }
    for level in timing["levels"]:
        level["distribution"] = _distribution(_samples(facts, label, level["concurrency"]))
    return {**identity, **timing}


def _open_load(checklist: Checklist, facts: Facts, label: str) -> dict[str, Any]:
    """Nothing where the checklist asks for none."""
    if not facts.loads:
        return {}
    return {"loads": loads(checklist, facts, label), "capacity": capacity(checklist, facts, label)}


def _repeated(checklist: Checklist, facts: Facts, label: str) -> dict[str, Any]:
    """Nothing where no prompt was timed again."""
    if not facts.repeated:
        return {}
    found = again(checklist, facts, label)
    if found is None:
        return {"speedup_repeated": None}
    one = found.estimate
    return {"speedup_repeated": {
        "baseline": checklist.baseline.speed, "ratio": one.ratio, "low": one.low, "high": one.high,
        "confidence": one.confidence, "method": one.method, "pairs": one.pairs, "status": "informational",
        "slower_share": one.slower_share, "worst_decile": one.worst_decile, "cached_share": found.cached,
        "baseline_cached_share": found.baseline_cached,
    }}  # fmt: skip


def _timing(labels: list[str], facts: Facts, checklist: Checklist) -> dict[str, dict[str, Any]]:
    found = summarise_modes(labels, facts, checklist)
    return {label: summary.model_dump(mode="json", exclude={"mode"}) for label, summary in found.items()}


def _samples(facts: Facts, label: str, concurrency: int | None) -> list[TimedSample]:
    return [
        s
        for s in facts.timed
        if s.mode == label and s.concurrency == concurrency and not s.fixed_length and s.exchange.ok
    ]


def _distribution(samples: Iterable[TimedSample]) -> dict[str, list[float]]:
    """Sorted latencies in ms, thinned to 41 evenly spaced order statistics."""
    kept = list(samples)
    ttft = [s.exchange.first_chunk_us / 1000 for s in kept if s.exchange.first_chunk_us is not None]
    e2e = [s.exchange.e2e_us / 1000 for s in kept if s.exchange.e2e_us is not None]
    return {"ttft_ms": thin(ttft), "e2e_ms": thin(e2e)}


def thin(values: list[float]) -> list[float]:
    """At most 41 order statistics of `values`, the ends included."""
    ordered = sorted(values)
    if len(ordered) <= _STEPS + 1:
        return ordered
    last = len(ordered) - 1
    return [ordered[round(i * last / _STEPS)] for i in range(_STEPS + 1)]


def frontier(checklist: Checklist, facts: Facts) -> list[dict[str, Any]]:
    """Latency and quality of each mode and configuration, with what is dominated."""
    from dataclasses import asdict

    return [asdict(point) for point in analysis.frontier(checklist, facts, Readings(facts.timed))]


def prompts(checklist: Checklist, facts: Facts) -> list[dict[str, Any]]:
    """Each prompt's own speed-up by mode, those that gain least first."""
    return [
        {"prompt_id": one.prompt, "tags": list(one.tags), "e2e_ms": dict(one.e2e_ms), "speedup": dict(one.speedup)}
        for one in each(checklist, facts)
    ]


def timelines(checklist: Checklist, facts: Facts, order: Sequence[str] = ()) -> list[dict[str, Any]]:
    """When the tokens of a few requests arrived, mode beside mode, for the same prompts: of `order` (those that gain
    least first) the first, the middle and the last of those that most modes answered.
    """
    level = checklist.items.modes.level
    by_prompt: dict[str, dict[str, TimedSample]] = {}
    for s in facts.timed:
        if s.concurrency == level and not s.fixed_length and s.exchange.ok and s.exchange.chunks:
            by_prompt.setdefault(s.prompt, {}).setdefault(s.mode, s)
    most = max((len(m) for m in by_prompt.values()), default=0)
    known = [p for p in dict.fromkeys([*order, *sorted(by_prompt)]) if len(by_prompt.get(p, ())) == most]
    chosen = [known[n] for n in sorted({0, len(known) // 2, len(known) - 1})] if known else []
    labels = {label: i for i, label in enumerate([*checklist.modes, INCUMBENT])}
    return [
        {
            "prompt_id": prompt,
            "concurrency": level,
            "tags": sorted({tag for s in by_prompt[prompt].values() for tag in s.tags}),
            "modes": [
                _timeline(by_prompt[prompt][label])
                for label in sorted(by_prompt[prompt], key=lambda m: (labels.get(m, len(labels)), m))
            ],
        }
        for prompt in chosen
    ]


def _timeline(sample: TimedSample) -> dict[str, Any]:
    previous = 0
    points = []
    for at, total in sample.exchange.chunks[:_CHUNKS]:
        count = None if total is None else max(total - previous, 0)
        previous = previous if total is None else total
        points.append([at / 1000, count])
    e2e = sample.exchange.e2e_us
    return {
        "mode": sample.mode,
        "e2e_ms": None if e2e is None else e2e / 1000,
        "tokens": sample.exchange.completion_tokens,
        "chunks": points,
        "cut": len(sample.exchange.chunks) > _CHUNKS,
    }


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


def cost(checklist: Checklist, facts: Facts, readings: Readings, label: str) -> dict[str, Any] | None:
    """None without a price, or where what it pays for was not measured."""
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
