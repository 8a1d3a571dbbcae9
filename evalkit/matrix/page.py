"""The page of a matrix, from its document: Markdown for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit import fmt
from evalkit.matrix.outcome import DECIDED
from evalkit.report.words.quote import cell

SAYS = {
    "go": "GO", "no-go": "NO-GO", "inconclusive": "INCONCLUSIVE", "not-run": "not run", "not-measured": "not measured",
    "interrupted": "interrupted", "lost": "lost", "timed-out": "timed out", "out-of-memory": "out of memory",
    "wrong-gpu": "wrong GPU", "failed": "failed", "other-plan": "other plan",
}  # fmt: skip


def markdown(doc: Mapping[str, Any]) -> str:
    """One page."""
    counted = ", ".join(f"{SAYS[status]} {count}" for status, count in doc["counts"].items())
    parts = [f"# {cell(doc['name'])}", "", f"{fmt.plural(len(doc['cells']), 'cell')}: {counted}.", ""]
    parts += [*_choice(doc), "", "## Grid", "", *_grid(doc["cells"]), ""]
    parts += ["## Does the speed-up transfer?", "", *_homogeneity(doc["homogeneity"]), ""]
    parts += [*_claims(doc["vendor_claims"])]
    parts += ["## Frontier", "", *_frontier(doc["frontier"]), ""]
    parts += ["## Cells", "", *_cells(doc["cells"]), ""]
    if doc["left"]:
        parts += ["## Left out", "", "| cell | why |", "|---|---|"]
        parts += [f"| {cell(one['id'])} | {cell('; '.join(one['why']))} |" for one in doc["left"]]
        parts.append("")
    return "\n".join(parts)


def _choice(doc: Mapping[str, Any]) -> list[str]:
    taken = doc["take"]
    if taken is None:
        return ["No cell is GO, so there is nothing to take."]
    why = {
        "cost": "costs least for 1,000 right answers",
        "capacity": "keeps the service level at the highest rate",
        "latency": "has the smallest median end-to-end latency",
    }[taken["by"]]
    lines = [f"**Take {cell(taken['id'])}** in mode {cell(taken['mode'])}: of the cells that are GO it {why}."]
    if taken["tried"] > 1:
        low = fmt.ratio(taken["low_over_all"])
        shown = (
            "The speed-up that is asked for is shown"
            if taken["shown_over_all"]
            else "Undecided: the speed-up that is asked for is not shown"
        )
        lines += [
            "",
            f"Each verdict is about its own cell, and among {taken['tried']} cells one can be GO by chance.",
            f"With all of them counted (Bonferroni), the lower bound of its speed-up is {low}. {shown} over all cells.",
        ]
        if not taken["shown_over_all"]:
            lines.append("To settle it, run this one cell again, with the same or more prompts.")
    return lines


def _grid(cells: list[dict[str, Any]]) -> list[str]:
    """Rows: variant, engine, precision and load. Columns: hardware."""
    columns = list(dict.fromkeys(one["hardware"] for one in cells))
    keys = list(dict.fromkeys(_row_key(one) for one in cells))
    lines = [f"| variant | {' | '.join(cell(one) for one in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for key in keys:
        found = {one["hardware"]: one for one in cells if _row_key(one) == key}
        said = [_square(found[column]) if column in found else "left out" for column in columns]
        lines.append(f"| {cell(key)} | {' | '.join(said)} |")
    return lines


def _row_key(one: dict[str, Any]) -> str:
    load = f", concurrency {one['load']}" if one["load"] is not None else ""
    return f"{one['variant']}, {one['engine']}, {one['precision']}{load}"


def _square(one: dict[str, Any]) -> str:
    says = f"**{SAYS[one['status']]}**" if one["status"] in DECIDED else SAYS[one["status"]]
    if one["status"] not in DECIDED or one["ratio"] is None:
        return says
    return f"{says}<br>{cell(one['mode'])} {fmt.ratio(one['ratio'])} ({fmt.interval(one['low'], one['high'])})"


def _homogeneity(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return ["No cell has a speed-up with an interval."]
    lines = []
    for one in found:
        span = f"{fmt.ratio(one['smallest'])} to {fmt.ratio(one['largest'])}"
        head = f"{cell(one['mode'])}: {span} over {fmt.plural(one['cells'], 'cell')}."
        if one["answer"] == "not-tested":
            lines.append(f"- Mode {head} Not tested: that takes two cells with intervals.")
            continue
        p = "p < 0.001" if one["p"] < 0.001 else f"p = {one['p']:.3f}"
        test = f"Cochran's Q = {one['q']:.2f} on {one['df']} df, {p}, I² = {fmt.share(one['i2'])}"
        if one["answer"] == "differs":
            lines.append(
                f"- Mode {head} The speed-up differs between cells ({test}): no cell has the figure of another."
            )
        else:
            lines.append(f"- Mode {head} No difference is shown ({test}), which does not show that there is none.")
    return lines


def _claims(claims: list[dict[str, Any]]) -> list[str]:
    """What the vendor reports, next to what was measured: attributed, never evidence."""
    if not claims:
        return []
    lines = ["The vendor reports these figures of speed. They are not evidence: no verdict above rests on one.", ""]
    lines += ["| claim | figure | conditions | source | measured here |", "|---|---:|---|---|---|"]
    for one in claims:
        here = [f"{cell(by['id'])} {_figure(by['value'], one['unit'])}" for by in one["cells"]]
        dated = ", ".join(cell(part) for part in (one["source"], one["date"]) if part)
        said = (cell(one["claim"]), _figure(one["value"], one["unit"]), cell(one["conditions"] or fmt.NOTHING), dated)
        lines.append(f"| {' | '.join(said)} | {'<br>'.join(here) or fmt.NOTHING} |")
    return [*lines, ""]


def _figure(value: float, unit: str) -> str:
    return fmt.ratio(value) if unit.startswith("times") else f"{fmt.number(value)} tokens/s"


def _frontier(points: list[dict[str, Any]]) -> list[str]:
    """The cells that no other dominates first, then the others with those that do."""
    if not points:
        return ["No cell that is GO or undecided has both a time and a share of right answers."]
    paid = points[0]["usd_per_1000_right"] is not None
    axes = "time, right answers and money" if paid else "time and right answers (not all of them have a price)"
    lines = [
        f"Cells that are GO or undecided, by {axes}. A cell is dominated where another is at least as good in each and",
        "better in one, at the same load, by the figures alone.",
        "",
        "| cell | result | E2E p50 | right answers | USD for 1,000 right answers | dominated by |",
        "|---|---|---:|---:|---:|---|",
    ]
    for one in sorted(points, key=lambda point: len(point["dominated_by"])):
        others = one["dominated_by"]
        more = f" and {len(others) - 2} more" if len(others) > 2 else ""
        said = [
            cell(one["id"]), SAYS[one["status"]], fmt.milliseconds(one["e2e_p50_ms"]), fmt.share(one["pass_share"]),
            _usd(one["usd_per_1000_right"]), ", ".join(cell(name) for name in others[:2]) + more or fmt.NOTHING,
        ]  # fmt: skip
        lines.append(f"| {' | '.join(said)} |")
    return lines


def _cells(cells: list[dict[str, Any]]) -> list[str]:
    head = ["cell", "result", "mode", "speed-up", "E2E p50", "USD of the run", "USD for 1,000 right answers", "why"]
    lines = [f"| {' | '.join(head)} |", "|---|---|---|---:|---:|---:|---:|---|"]
    for one in cells:
        ratio = (
            f"{fmt.ratio(one['ratio'])} ({fmt.interval(one['low'], one['high'])})"
            if one["ratio"] is not None
            else fmt.NOTHING
        )
        said = [
            cell(one["id"]), SAYS[one["status"]], cell(one["mode"] or fmt.NOTHING), ratio,
            fmt.milliseconds(one["e2e_p50_ms"]), _usd(one["usd"]), _right(one),
            cell(one["detail"] or fmt.NOTHING),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(said)} |")
    return lines


def _right(one: dict[str, Any]) -> str:
    low, high = one["usd_right_low"], one["usd_right_high"]
    shown = _usd(one["usd_per_1000_right"])
    return shown if low is None or high is None else f"{shown} ({fmt.interval(low, high)})"


def _usd(value: float | None) -> str:
    return fmt.NOTHING if value is None else f"{value:.2f}"
