"""What the report shows of open load and capacity, of a sweep, and of cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit import fmt
from evalkit.report.document.model import Report
from evalkit.report.document.model.modes import Mode
from evalkit.report.document.model.money import Cost
from evalkit.report.document.model.sweep import SweepPart, Swept
from evalkit.report.words import view

#: the cells of a row, in plain text
Row = tuple[str, ...]
#: the head, and the rows
Table = tuple[Row, Sequence[Row]]


def load_table(doc: Report) -> Table:
    """One row a load and mode: latency from the intended start, and the ratio with its interval."""
    head = (
        "Load", "Mode", "Speed-up (interval)", "TTFT p50 / p95, ms", "E2E p50 / p95, ms", "Requests (blocks)",
        "No answer",
    )  # fmt: skip
    rows = []
    for entry in view.with_incumbent(doc):
        for one in entry.get("loads") or []:
            name = str(one["load"]["name"])
            ttft, e2e = (f"{_ms(one[key]['p50'])} / {_ms(one[key]['p95'])}" for key in ("ttft_ms", "e2e_ms"))
            hits = one["cached_share"]
            sent = f"{one['requests']} ({one['blocks']})" + (
                f", {fmt.share(hits, 0)} of prompts cached" if hits else ""
            )
            cells = (name, entry["mode"], _ratio(one.get("speedup")), ttft, e2e, sent, str(one["failed"]))
            rows.append((name, cells))
    return head, [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def capacity_table(doc: Report) -> Table:
    """One row a mode: the highest rate that keeps the service level, and what happens beyond it."""
    head = ("Mode", "Capacity, requests/s (interval)", "Ratio (interval)", "Beyond it", "Blocks")
    rows = []
    for entry in view.with_incumbent(doc):
        one = entry.get("capacity")
        if one:
            low = "0" if one["low"] is None else fmt.number(one["low"])
            high = "no upper bound" if one["high"] is None else fmt.number(one["high"])
            rate = fmt.NOTHING if one["rate"] is None else f"{fmt.number(one['rate'])} ({low} to {high})"
            rows.append((
                entry["mode"], rate, _ratio(one.get("ratio")), str(one.get("beyond") or "not seen"), str(one["blocks"])
            ))  # fmt: skip
    return head, rows


def slo_of(doc: Report) -> str:
    """The service level, as the capacity states it."""
    return next((str(one["slo"]["text"]) for entry in view.with_incumbent(doc) if (one := entry.get("capacity"))), "")


def _ms(value: float | None) -> str:
    return fmt.NOTHING if value is None else fmt.number(value)


def _ratio(one: dict[str, Any] | None) -> str:
    if not one or one.get("ratio") is None:
        return fmt.NOTHING
    low = "0" if one["low"] is None else f"{one['low']:.2f}"
    high = "∞" if one["high"] is None else f"{one['high']:.2f}"
    return f"{fmt.ratio(one['ratio'])} ({low} to {high})"


_FATES = {
    "failed": "failed", "loses": "lost more for its speed", "slower": "slower than those kept",
    "not-measured": "not measured",
}  # fmt: skip


def sweep_table(doc: Report) -> Table:
    """One row a setting: as screened, with requests, and its fate; no rows without a sweep."""
    head = ("Setting", "Screened speed-up (prompts)", "Cases lost", "Requests", "After screening", "Decided")
    part = doc.get("sweep")
    return head, [_row(doc, one) for one in part["settings"]] if part else []


def _row(doc: Report, one: Swept) -> Row:
    last = one["seen"][-1] if one["seen"] else None
    ratio = f"{fmt.ratio(last['ratio'])} ({last['prompts']})" if last and last["ratio"] is not None else fmt.NOTHING
    lost = f"{fmt.number(max(last['lost'], 0.0))} of {last['cases']}" if last and last["cases"] else fmt.NOTHING
    sent = sum(seen["requests"] for seen in one["seen"])
    return (one["mode"], ratio, lost, f"{sent:,}", _fate(one), _decided(doc, one))


def _fate(one: Swept) -> str:
    if one["dropped"] is None:
        return "decided below"
    why = _FATES[one["fate"]] + (f": {one['finding']}" if one.get("finding") else "")
    return f"dropped after stage {one['dropped']}: {why}"


def _decided(doc: Report, one: Swept) -> str:
    if one["dropped"] is not None:
        return fmt.NOTHING
    if one["mode"] == doc.get("recommended_mode"):
        return "recommended"
    entry = next((mode for mode in doc["modes"] if mode["mode"] == one["mode"]), None)
    return {"pass": "qualifies", "fail": "does not qualify"}.get(entry["qualified"] if entry else "", "not shown")


def sweep_line(doc: Report) -> str:
    """What the sweep cost, and what it does not decide."""
    part: SweepPart | None = doc.get("sweep")
    if part is None:
        return ""
    over = " That is more than half of it: there are few settings or cases." if part.get("above_half") else ""
    return (
        f"Screening sent {part['screened']:,} timed and task requests. With the decision it may send "
        f"{part['planned']:,}; every setting on every prompt and case takes {part['grid']:,}.{over} Screening ranks, "
        "and decides nothing: the settings that it left are decided on prompts and cases that it did not use, and each "
        "counts as a claim."
    )


COST_NOTE = (
    "A server that is paid by the hour costs its price over the requests that it answers in an hour at the deciding "
    "load. Right answers: the cost of requests over the share of the scored answers that were right."
)


def cost_table(doc: Report) -> Table:
    """USD for 1,000 requests and right answers, in reading order, the incumbent last; empty without a price."""
    head = ("Mode", "Paid by", "1,000 requests", "1,000 right answers", "Right, n", "Today's over the mode's")
    rows = []
    for entry in view.with_incumbent(doc):
        cost = entry.get("cost")
        if cost is None:
            continue
        right = cost["per_1000_right"]
        share = cost.get("right_share")
        scored = f"{fmt.share(share)} of {cost.get('scored')}" if share is not None else fmt.NOTHING
        rows.append(
            (
                entry["mode"], _paid(cost), _span(cost, cost["per_1000_requests"]),
                _span(right, right["value"]) if right else fmt.NOTHING, scored, _against(entry),
            )
        )  # fmt: skip
    return head, rows


def _paid(cost: Cost) -> str:
    if cost.get("paid_by") == "usage":
        return "usage"
    at = {
        "concurrency": f"concurrency {cost.get('concurrency')}", "load": "the open load", "capacity": "its capacity",
    }[cost.get("at", "concurrency")]  # fmt: skip
    rate = fmt.number(cost.get("requests_per_second"))
    return f"{fmt.plural(cost.get('gpus') or 1, 'GPU')} by the hour, {rate}/s at {at}"


def _span(ends: Mapping[str, object], value: float) -> str:
    low, high = ends.get("low"), ends.get("high")
    known = [one if isinstance(one, int | float) else None for one in (low, high)]
    return f"{fmt.amount(value)}{fmt.span_of(known[0], known[1], fmt.amount)}"


def _against(entry: Mode) -> str:
    whole = entry.get("vs_incumbent")
    versus = whole["cost"] if whole else None
    return (
        f"{fmt.ratio(versus['ratio'])}{fmt.span_of(versus['low'], versus['high'], fmt.ratio)}"
        if versus
        else fmt.NOTHING
    )
