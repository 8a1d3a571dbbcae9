"""Figures that several outputs draw: the latency-quality frontier and where a mode stops being faster."""

from __future__ import annotations

from typing import Any, NamedTuple

from evalkit.report import view


class Point(NamedTuple):
    """One mode or configuration: median latency of the whole answer in ms, share of scored cases that passed."""

    mode: str
    latency_ms: float
    share: float
    scored: int
    dominated_by: tuple[str, ...] = ()


def frontier(doc: dict[str, Any]) -> list[Point]:
    """The modes and configurations that were both timed and scored, where the modes are decided.

    A point is dominated when another is at least as fast and as good, and better in one of the two.
    """
    points = []
    for entry, level in view.levels(doc):
        middle = (level.get("e2e_ms") or {}).get("p50")
        rows = [r for r in doc["quality"]["suites"] if r["mode"] == entry["mode"] and r.get("scored")]
        scored = sum(r["scored"] for r in rows)
        if level.get("concurrency") == doc["decided_at_concurrency"] and middle is not None and scored:
            passed = sum(r["passed"] for r in rows)
            points.append(Point(entry["mode"], float(middle), passed / scored, scored))
    return [p._replace(dominated_by=tuple(q.mode for q in points if _dominates(q, p))) for p in points]


def _dominates(one: Point, other: Point) -> bool:
    no_worse = one.latency_ms <= other.latency_ms and one.share >= other.share
    return no_worse and (one.latency_ms < other.latency_ms or one.share > other.share)


def frontier_lines(doc: dict[str, Any]) -> list[str]:
    """One sentence a mode. They speak of point estimates: intervals stand in the tables."""
    lines = []
    for p in frontier(doc):
        figures = f"{p.mode}: {p.latency_ms:.0f} ms, {100 * p.share:.1f}% of {p.scored} cases"
        word = f"dominated by {', '.join(p.dominated_by)}" if p.dominated_by else "on the frontier"
        lines.append(f"{figures}; {word}.")
    return lines if len(lines) > 1 else []


def crossover_lines(doc: dict[str, Any]) -> list[str]:
    """For each mode that was timed at several loads: from where on it is no longer faster, or that it stays so."""
    lines = []
    for entry in doc["modes"]:
        loads = sorted(lv["concurrency"] for lv in entry["levels"] if lv.get("speedup"))
        if len(loads) < 2:
            continue
        at = entry.get("crossover")
        if at is None:
            lines.append(f"{entry['mode']}: faster than {doc['baseline']['speed']} up to {loads[-1]} at once.")
        else:
            lines.append(f"{entry['mode']}: no longer faster than {doc['baseline']['speed']} from {at} at once.")
    return lines
