"""What the report shows of open load and capacity."""

from __future__ import annotations

from typing import Any

from evalkit import fmt
from evalkit.report.document.model import Report
from evalkit.report.document.model.modes import Mode
from evalkit.report.words import view


def _entries(doc: Report) -> list[Mode]:
    today = doc.get("incumbent")
    return [*doc["modes"], *([today] if today else [])]


def load_table(doc: Report) -> tuple[tuple[str, ...], list[view.Row]]:
    """One row a load and mode: latency from the intended start, and the ratio with its interval."""
    head = (
        "Load", "Mode", "Speed-up (interval)", "TTFT p50 / p95, ms", "E2E p50 / p95, ms", "Requests (blocks)",
        "No answer",
    )  # fmt: skip
    rows = []
    for entry in _entries(doc):
        for one in entry.get("loads") or []:
            name = str(one["load"]["name"])
            ttft, e2e = (f"{_ms(one[key]['p50'])} / {_ms(one[key]['p95'])}" for key in ("ttft_ms", "e2e_ms"))
            sent = f"{one['requests']} ({one['blocks']})"
            cells = (name, entry["mode"], _ratio(one.get("speedup")), ttft, e2e, sent, str(one["failed"]))
            rows.append((name, view.Row(cells)))
    return head, [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def capacity_table(doc: Report) -> tuple[tuple[str, ...], list[view.Row]]:
    """One row a mode: the highest rate that keeps the service level, and what happens beyond it."""
    head = ("Mode", "Capacity, requests/s (interval)", "Ratio (interval)", "Beyond it", "Blocks")
    rows = []
    for entry in _entries(doc):
        one = entry.get("capacity")
        if one:
            low = "0" if one["low"] is None else fmt.number(one["low"])
            high = "no upper bound" if one["high"] is None else fmt.number(one["high"])
            rate = fmt.NOTHING if one["rate"] is None else f"{fmt.number(one['rate'])} ({low} to {high})"
            rows.append(view.Row((
                entry["mode"], rate, _ratio(one.get("ratio")), str(one.get("beyond") or "not seen"), str(one["blocks"])
            )))  # fmt: skip
    return head, rows


def slo_of(doc: Report) -> str:
    """The service level, as the capacity states it."""
    return next((str(one["slo"]["text"]) for entry in _entries(doc) if (one := entry.get("capacity"))), "")


def _ms(value: float | None) -> str:
    return fmt.NOTHING if value is None else fmt.number(value)


def _ratio(one: dict[str, Any] | None) -> str:
    if not one or one.get("ratio") is None:
        return fmt.NOTHING
    low = "0" if one["low"] is None else f"{one['low']:.2f}"
    high = "∞" if one["high"] is None else f"{one['high']:.2f}"
    return f"{fmt.ratio(one['ratio'])} ({low} to {high})"
