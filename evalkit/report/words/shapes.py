"""Figures that several outputs draw: the latency-quality frontier and where a mode stops being faster."""

from __future__ import annotations

from typing import Any

from evalkit import fmt
from evalkit.analysis.frontier import Point
from evalkit.report.document.model import Report
from evalkit.report.words import view


def frontier(doc: Report) -> list[Point]:
    """The points of the document (of evalkit.analysis.frontier): on the prompts and cases common to all modes."""
    points: list[dict[str, Any]] = [dict(p) for p in doc.get("frontier", [])]
    return [Point(**{**p, "dominated_by": tuple(p["dominated_by"]), "surely": tuple(p["surely"])}) for p in points]


def frontier_table(doc: Report) -> tuple[tuple[str, ...], list[view.Row]]:
    """Latency beside quality, and what is dominated: by the figures, or beyond chance."""
    head = ("Mode", "E2E latency, ms, mean", "Cases passed (95% interval)", "Cases, n", "Dominated by")
    points = frontier(doc)
    rows = []
    for p in points:
        how = "beyond chance" if p.surely else "by the figures, within chance"
        word = f"{', '.join(p.dominated_by)} ({how})" if p.dominated_by else "none: on the frontier"
        share = f"{fmt.share(p.share)} ({fmt.share(p.low)} to {fmt.share(p.high)})"
        rows.append(view.Row((p.mode, fmt.number(p.e2e_ms), share, str(p.cases), word)))
    return head, rows if len(points) > 1 else []


def crossover_lines(doc: Report) -> list[str]:
    """For each mode timed at several loads: from where on it is no longer faster, that it never is, or stays so."""
    lines = []
    for entry in doc["modes"]:
        loads = sorted(lv["concurrency"] for lv in entry["levels"] if lv.get("speedup"))
        if len(loads) < 2:
            continue
        at = entry.get("crossover")
        slower = [lv for lv in entry["levels"] if (speed := lv["speedup"]) and (speed["ratio"] or 0) <= 1]
        if len(slower) == len(loads):
            loaded = ", ".join(map(str, loads))
            lines.append(
                f"{entry['mode']}: not faster than {doc['baseline']['speed']} at any concurrency timed ({loaded})."
            )
        elif at is None:
            lines.append(f"{entry['mode']}: faster than {doc['baseline']['speed']} up to concurrency {loads[-1]}.")
        else:
            lines.append(f"{entry['mode']}: no longer faster than {doc['baseline']['speed']} from concurrency {at}.")
    return lines
