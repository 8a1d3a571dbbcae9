"""The first screen's row about the model used today: better, worse or NOT COMPARED, on every axis that was asked."""

from __future__ import annotations

from evalkit import fmt
from evalkit.modes import INCUMBENT
from evalkit.report.document.model import Report
from evalkit.report.document.model.modes import Mode
from evalkit.report.document.model.money import RatioAgainst
from evalkit.report.words import view
from evalkit.text import sentence

_NOT = "NOT COMPARED"


def today(doc: Report) -> list[str]:
    """Quality, then speed, capacity and cost: of the recommended mode, else of the first that may be adopted."""
    lines = [sentence(view.versus(doc))]
    if doc.get("incumbent"):
        lines += _axes(doc)
    shown = [doc.get("recommended_mode"), doc["baseline"]["speed"], INCUMBENT]
    costs = {entry["mode"]: cost for entry in view.with_incumbent(doc) if (cost := entry.get("cost"))}
    each = [f"{name} {fmt.usd(costs[name]['per_1000_requests'])}" for name in dict.fromkeys(shown) if name in costs]
    if each:
        lines.append(f"Cost of 1,000 requests: {', '.join(each)}.")
    return lines


def _axes(doc: Report) -> list[str]:
    label = doc.get("recommended_mode") or next((m["mode"] for m in doc["modes"] if m.get("adopted")), None)
    entry = view.mode(doc, label)
    if entry is None:
        return []
    versus = entry.get("vs_incumbent")
    lines = [f"Speed of {label}: {_ratio(versus['speedup'] if versus else None)}."]
    if entry.get("capacity") or (versus and versus["capacity"]):
        lines.append(f"Capacity: {_ratio(versus['capacity'] if versus else None)}.")
    return lines + _cost(doc, entry)


def _ratio(found: RatioAgainst | None) -> str:
    if found is None:
        return _NOT
    span = fmt.span_of(found["low"], found["high"], fmt.ratio)
    figure = f"{fmt.ratio(found['ratio'])} the incumbent{span}"
    if found["guard"]:
        return f"{_NOT}: {figure} is not believed, by {found['guard']}"
    word = found["answer"] if found["answer"] in ("better", "worse") else _NOT
    where = [found["incumbent_engine"], found["incumbent_hardware"]]
    on = f", on {' and '.join(one for one in where if one)}" if any(where) else ""
    return f"{word}, {figure}{on}" if word != _NOT else f"{_NOT}: undecided at {figure}{on}"


def _cost(doc: Report, entry: Mode) -> list[str]:
    """Nothing where no price was given at all."""
    versus = entry.get("vs_incumbent")
    found = versus["cost"] if versus else None
    if found is None:
        priced = any(one.get("cost") for one in view.with_incumbent(doc))
        return [f"Cost: {_NOT}, the cost of one of the two is not known."] if priced else []
    word = found["answer"] if found["answer"] in ("better", "worse") else f"{_NOT}: undecided"
    text = f"Cost: {word}, the incumbent costs {fmt.ratio(found['ratio'])} as much"
    text += fmt.span_of(found["low"], found["high"], fmt.ratio)
    if (right := found["right"]) is not None:
        text += f", for a right answer {fmt.ratio(right['value'])}"
        text += fmt.span_of(right["low"], right["high"], fmt.ratio)
    lines = [f"{text}."]
    if (even := found["break_even"]) is not None:
        reach = "" if even["within_one_server"] else ", which one server was not shown to serve"
        at = fmt.number(even["requests_per_hour"])
        lines.append(f"Self-hosting {even['self_hosted']} costs less from {at} requests an hour{reach}.")
    return lines
