"""What the report shows of a sweep: every setting, where it was dropped and why, and what was decided."""

from __future__ import annotations

from evalkit import fmt
from evalkit.report.document.model import Report
from evalkit.report.document.model.sweep import SweepPart, Swept
from evalkit.report.words import view

_FATES = {
    "failed": "failed", "loses": "lost more for its speed", "slower": "slower than those kept",
    "not-measured": "not measured",
}  # fmt: skip


def sweep_table(doc: Report) -> tuple[tuple[str, ...], list[view.Row]]:
    """One row a setting: as screened, with requests, and its fate; no rows without a sweep."""
    head = ("Setting", "Screened speed-up (prompts)", "Cases lost", "Requests", "After screening", "Decided")
    part = doc.get("sweep")
    return head, [_row(doc, one) for one in part["settings"]] if part else []


def _row(doc: Report, one: Swept) -> view.Row:
    last = one["seen"][-1] if one["seen"] else None
    ratio = f"{fmt.ratio(last['ratio'])} ({last['prompts']})" if last and last["ratio"] is not None else fmt.NOTHING
    lost = f"{fmt.number(max(last['lost'], 0.0))} of {last['cases']}" if last and last["cases"] else fmt.NOTHING
    sent = sum(seen["requests"] for seen in one["seen"])
    return view.Row((one["mode"], ratio, lost, f"{sent:,}", _fate(one), _decided(doc, one)))


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
