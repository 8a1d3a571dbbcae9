"""The page of a matrix: which cell is what, whether the speed-up transfers, and which cell to take."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit import fmt
from evalkit.matrix.outcome import DECIDED, Outcome, outcome
from evalkit.matrix.plan import Cell, Plan, read
from evalkit.stats.distributions import normal_quantile
from evalkit.stats.homogeneity import cochran, standard_error
from evalkit.stats.interval import Interval
from evalkit.text import sanitize

#: p-value below which the speed-ups are called different
ALPHA = 0.05
_SAYS = {
    "go": "GO", "no-go": "NO-GO", "inconclusive": "INCONCLUSIVE", "not-run": "not run", "not-measured": "not measured",
    "interrupted": "interrupted", "lost": "lost", "timed-out": "timed out", "out-of-memory": "out of memory",
    "wrong-gpu": "wrong GPU", "failed": "failed", "other-plan": "other plan",
}  # fmt: skip

Row = tuple[Cell, Outcome]


def report(out: Path) -> dict[str, Any]:
    """The document of the matrix in `out`.

    Raises:
        RunFolderError: no plan of a matrix is there.
    """
    plan = read(out)
    return document(plan, [(cell, outcome(cell, out / "cells" / cell.id)) for cell in plan.cells])


def document(plan: Plan, rows: Sequence[Row]) -> dict[str, Any]:
    """What the page shows, as JSON. Pure."""
    taken = take(rows)
    return {
        "schema_version": 1,
        "name": plan.name,
        "exit_code": exit_code(rows),
        "cells": [_entry(cell, found) for cell, found in rows],
        "left": [one.model_dump(mode="json") for one in plan.left],
        "counts": {status: n for status in _SAYS if (n := sum(found.status == status for _, found in rows))},
        "homogeneity": [_transfer(mode, plan, rows) for mode in _modes(rows)],
        "take": _taken(plan, rows, *taken) if taken else None,
    }


def exit_code(rows: Sequence[Row]) -> int:
    """0: a cell is GO. 1: every cell is NO-GO. 3: else."""
    statuses = [found.status for _, found in rows]
    if "go" in statuses:
        return 0
    return 1 if statuses and set(statuses) == {"no-go"} else 3


def _entry(cell: Cell, found: Outcome) -> dict[str, Any]:
    place = cell.model_dump(mode="json", include={"id", "variant", "engine", "hardware", "card", "precision", "load"})
    return {**place, "plan_sha256": cell.plan_sha256, **found.model_dump(mode="json")}


def _measured(rows: Sequence[Row]) -> list[Row]:
    """Cells with a verdict and a speed-up."""
    return [(cell, found) for cell, found in rows if found.status in DECIDED and found.low is not None]


def _modes(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(found.mode for _, found in _measured(rows) if found.mode))


def _interval(found: Outcome) -> Interval:
    return Interval(found.low or 0.0, found.high or 0.0, found.ratio or 0.0)


def _transfer(mode: str, plan: Plan, rows: Sequence[Row]) -> dict[str, Any]:
    """Whether the speed-up of `mode` is the same in all cells in which it is the best mode."""
    mine = [(cell, found) for cell, found in _measured(rows) if found.mode == mode]
    test = cochran([_interval(found) for _, found in mine], plan.confidence)
    ratios = [found.ratio for _, found in mine if found.ratio is not None]
    shared: dict[str, Any] = {"mode": mode, "cells": len(mine), "smallest": min(ratios), "largest": max(ratios)}
    if test is None:
        return {**shared, "q": None, "df": None, "p": None, "i2": None, "pooled": None, "answer": "not-tested"}
    return {
        **shared, "q": round(test.q, 4), "df": test.df, "p": round(test.p, 6), "i2": round(test.i2, 4),
        "pooled": round(test.pooled, 4), "answer": "differs" if test.p < ALPHA else "no-difference-shown",
    }  # fmt: skip


def take(rows: Sequence[Row]) -> tuple[Cell, Outcome, str] | None:
    """The cell to take among those that are GO, and by what: the cheapest where all have a price, else the fastest."""
    good = [(cell, found) for cell, found in rows if found.status == "go"]
    if not good:
        return None
    if all(found.usd_per_1000_right is not None for _, found in good):
        cell, found = min(good, key=lambda one: (one[1].usd_per_1000_right or 0.0, one[0].id))
        return cell, found, "cost"
    cell, found = min(good, key=lambda one: (one[1].e2e_p50_ms or math.inf, one[0].id))
    return cell, found, "latency"


def _taken(plan: Plan, rows: Sequence[Row], cell: Cell, found: Outcome, by: str) -> dict[str, Any]:
    """The cell, and whether its speed-up is shown when all cells that were tried are counted (Bonferroni)."""
    tried = len(_measured(rows))
    low = None
    if found.low is not None and 0 < found.low < (found.high or 0.0):
        spread = normal_quantile(1 - (1 - plan.confidence) / 2 / max(tried, 1)) * standard_error(
            _interval(found), plan.confidence
        )
        low = round(math.exp(math.log(found.ratio or 1.0) - spread), 4)
    return {
        "id": cell.id, "mode": found.mode, "by": by, "tried": tried, "low_over_all": low,
        "shown_over_all": None if low is None else low >= plan.at_least,
    }  # fmt: skip


def markdown(doc: dict[str, Any]) -> str:
    """One page."""
    counted = ", ".join(f"{_SAYS[status]} {count}" for status, count in doc["counts"].items())
    parts = [f"# {_cell(doc['name'])}", "", f"{fmt.plural(len(doc['cells']), 'cell')}: {counted}.", ""]
    parts += [*_choice(doc), "", "## Grid", "", *_grid(doc["cells"]), ""]
    parts += ["## Does the speed-up transfer?", "", *_homogeneity(doc["homogeneity"]), ""]
    parts += ["## Cells", "", *_cells(doc["cells"]), ""]
    if doc["left"]:
        parts += ["## Left out", "", "| cell | why |", "|---|---|"]
        parts += [f"| {_cell(one['id'])} | {_cell('; '.join(one['why']))} |" for one in doc["left"]]
        parts.append("")
    return "\n".join(parts)


def _cell(value: object) -> str:
    """A text for a cell of a table: nothing in it is Markdown or HTML."""
    text = html.escape(sanitize(str(value)).replace("\n", " "), quote=False)
    return "".join(f"\\{c}" if c in "\\`*_[]|#" else c for c in text)


def _choice(doc: dict[str, Any]) -> list[str]:
    taken = doc["take"]
    if taken is None:
        return ["No cell is GO, so there is nothing to take."]
    why = (
        "costs least for 1,000 right answers" if taken["by"] == "cost" else "has the smallest median end-to-end latency"
    )
    lines = [f"**Take {_cell(taken['id'])}** in mode {_cell(taken['mode'])}: of the cells that are GO it {why}."]
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
    lines = [f"| variant | {' | '.join(_cell(one) for one in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for key in keys:
        found = {one["hardware"]: one for one in cells if _row_key(one) == key}
        said = [_square(found[column]) if column in found else "left out" for column in columns]
        lines.append(f"| {_cell(key)} | {' | '.join(said)} |")
    return lines


def _row_key(one: dict[str, Any]) -> str:
    load = f", concurrency {one['load']}" if one["load"] is not None else ""
    return f"{one['variant']}, {one['engine']}, {one['precision']}{load}"


def _square(one: dict[str, Any]) -> str:
    says = f"**{_SAYS[one['status']]}**" if one["status"] in DECIDED else _SAYS[one["status"]]
    if one["status"] not in DECIDED or one["ratio"] is None:
        return says
    return f"{says}<br>{_cell(one['mode'])} {fmt.ratio(one['ratio'])} ({fmt.interval(one['low'], one['high'])})"


def _homogeneity(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return ["No cell has a speed-up with an interval."]
    lines = []
    for one in found:
        span = f"{fmt.ratio(one['smallest'])} to {fmt.ratio(one['largest'])}"
        head = f"{_cell(one['mode'])}: {span} over {fmt.plural(one['cells'], 'cell')}."
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
            _cell(one["id"]), _SAYS[one["status"]], _cell(one["mode"] or fmt.NOTHING), ratio,
            fmt.milliseconds(one["e2e_p50_ms"]), _usd(one["usd"]), _usd(one["usd_per_1000_right"]),
            _cell(one["detail"] or fmt.NOTHING),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(said)} |")
    return lines


def _usd(value: float | None) -> str:
    return fmt.NOTHING if value is None else f"{value:.2f}"
