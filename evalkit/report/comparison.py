"""Runs side by side: what differs in where they come from, then the same prompts paired where both have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.checklist.schema import Checklist
from evalkit.report import fmt, quote
from evalkit.report.document import scrub
from evalkit.report.pack import REDACTED
from evalkit.run.facts import Facts
from evalkit.stats.ratio import MIN_PAIRS, estimate, log_ratios

Run = tuple[str, Checklist, Facts]


def compare(runs: Sequence[Run], *, confidence: float = 0.95) -> dict[str, Any]:
    """Every later run against the first. A ratio above 1: the later run is faster (first time / later time)."""
    first = runs[0]
    pairs = [_against(first, other, confidence) for other in runs[1:]]
    document: dict[str, Any] = scrub(
        {
            "schema_version": 1,
            "runs": [{"run": name, **_origin(checklist, facts)} for name, checklist, facts in runs],
            "comparisons": pairs,
            "comparable": all(pair["comparable"] for pair in pairs),
        }
    )
    return document


def _origin(checklist: Checklist, facts: Facts) -> dict[str, Any]:
    """What a difference in speed could come from."""
    candidate, hardware = facts.candidate, facts.hardware
    cards = sorted(gpu.name for gpu in hardware.gpus) if hardware else []
    return {
        "run_id": facts.start.run_id,
        "date": fmt.day(facts.start.started_at),
        "simulated": facts.start.simulated,
        "model": candidate.model if candidate else None,
        "revision": candidate.revision if candidate else None,
        "hardware": ", ".join(cards) or (hardware.declared or hardware.cpu if hardware else None) or "unknown",
        "driver": hardware.driver if hardware else None,
        "engines": {k: f"{e.engine} {e.engine_version}" for k, e in sorted(facts.endpoints.items())},
        "settings": {k: dict(sorted(e.settings.items())) for k, e in sorted(facts.endpoints.items())},
        "prompts": sorted(p.sha256 for p in facts.prompts),
        "request": checklist.request.model_dump(mode="json"),
        "evalkit_version": facts.start.evalkit_version,
    }


def _against(first: Run, other: Run, confidence: float) -> dict[str, Any]:
    a, b = _origin(first[1], first[2]), _origin(other[1], other[2])
    systems = (a["request"]["system"], b["request"]["system"])
    if all(systems) and any(one.startswith(REDACTED) for one in systems):
        a["request"], b["request"] = ({**one["request"], "system": f"{REDACTED}not compared"} for one in (a, b))
    refused = _refusals(a, b)
    differs = {key: [a[key], b[key]] for key in a if a[key] != b[key] and key not in ("run_id", "date")}
    rows = [] if refused else _rows(first[2], other[2], confidence)
    if not refused and not rows:
        refused = ["no mode was timed at the same load with the same prompts in both"]
    return {
        "first": first[0],
        "other": other[0],
        "comparable": not refused,
        "refused": refused,
        "differs": differs,
        "rows": rows,
    }


def _refusals(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    reasons = []
    if a["simulated"] != b["simulated"]:
        reasons.append("one run is simulated, the other is not")
    if a["prompts"] != b["prompts"]:
        reasons.append("the prompts differ: times of different prompts cannot be paired")
    if a["request"] != b["request"]:
        reasons.append("the requests differ (temperature, length or extras)")
    return reasons


def _rows(first: Facts, other: Facts, confidence: float) -> list[dict[str, Any]]:
    left, right = _times(first), _times(other)
    rows = []
    for mode, level in sorted(left.keys() & right.keys()):
        logs = log_ratios(left[mode, level], right[mode, level])
        if not logs:
            continue
        row: dict[str, Any] = {"mode": mode, "concurrency": level, "pairs": len(logs), "ratio": None}
        found = estimate(logs, confidence=confidence) if len(logs) >= MIN_PAIRS else None
        if found is not None:
            row |= {"ratio": found.ratio, "low": found.low, "high": found.high, "confidence": confidence}
        row["answer"] = _answer(row)
        rows.append(row)
    return rows


def _answer(row: Mapping[str, Any]) -> str:
    if row["ratio"] is None:
        return f"too few pairs (at least {MIN_PAIRS} are needed)"
    if row["low"] > 1:
        return "faster"
    return "slower" if row["high"] < 1 else "no difference shown"


def _times(facts: Facts) -> dict[tuple[str, int], dict[str, list[float]]]:
    times: dict[tuple[str, int], dict[str, list[float]]] = {}
    for sample in facts.timed:
        e2e = sample.exchange.e2e_us
        if sample.exchange.ok and e2e is not None and not sample.fixed_length:
            times.setdefault((sample.mode, sample.concurrency), {}).setdefault(sample.prompt_id, []).append(e2e / 1000)
    return times


def to_markdown(doc: dict[str, Any]) -> str:
    """The comparison as Markdown; plain enough for a terminal."""
    lines = ["# Comparison", ""]
    if any(run["simulated"] for run in doc["runs"]):
        lines[0] = "# SIMULATED: comparison"
    for pair in doc["comparisons"]:
        lines += [f"## {quote.code(pair['other'])} against {quote.code(pair['first'])}", "", "What differs:", ""]
        lines += [
            f"- {quote.prose(key)}: {quote.code(old)} and {quote.code(new)}"
            for key, (old, new) in pair["differs"].items()
        ] or ["- nothing that is recorded"]
        lines.append("")
        if pair["refused"]:
            lines += [f"Not comparable: {quote.prose(reason)}" for reason in pair["refused"]] + [""]
            continue
        lines += ["| Mode | At once | Prompts | Time ratio (interval) | Answer |", "|---|---|---|---|---|"]
        lines += [
            f"| {quote.cell(r['mode'])} | {r['concurrency']} | {r['pairs']} | {fmt.ratio(r['ratio'])} "
            f"({fmt.interval(r.get('low'), r.get('high'))}) | {quote.cell(r['answer'])} |"
            for r in pair["rows"]
        ]
        lines += ["", "Above 1: the later run answers the same prompts faster.", ""]
    return "\n".join(lines).rstrip() + "\n"
