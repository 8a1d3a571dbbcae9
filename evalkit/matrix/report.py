"""The document of a matrix: which cell is what, whether the speed-up transfers, the frontier, and what to take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

from evalkit.matrix.model import MatrixReport
from evalkit.matrix.outcome import DECIDED, Outcome, Status, outcome
from evalkit.matrix.plan import Cell, Plan, read
from evalkit.stats.distributions import normal_quantile
from evalkit.stats.interval import Interval, cochran, standard_error

#: p-value below which the speed-ups are called different
ALPHA = 0.05
SCHEMA_VERSION = 1
Row = tuple[Cell, Outcome]


def report(out: Path) -> MatrixReport:
    """The document of the matrix in `out`.

    Raises:
        RunFolderError: no plan of a matrix is there.
    """
    plan = read(out)
    return document(plan, [(cell, outcome(cell, out / "cells" / cell.id)) for cell in plan.cells])


def document(plan: Plan, rows: Sequence[Row]) -> MatrixReport:
    """What the page shows, as JSON. Pure."""
    taken = take(rows, plan.decides)
    made = {
        "schema_version": SCHEMA_VERSION,
        "name": plan.name,
        "exit_code": exit_code(rows),
        "cells": [_entry(cell, found) for cell, found in rows],
        "left": [one.model_dump(mode="json") for one in plan.left],
        "counts": {status: n for status in get_args(Status) if (n := sum(found.status == status for _, found in rows))},
        "homogeneity": [_transfer(mode, plan, rows) for mode in _modes(rows)],
        "frontier": frontier(rows),
        "vendor_claims": [one for mode in _modes(rows) for one in _claims(mode, rows)],
        "take": _taken(plan, rows, *taken) if taken else None,
    }
    return cast("MatrixReport", made)


def exit_code(rows: Sequence[Row]) -> int:
    """0: a cell is GO. 1: every cell is NO-GO. 3: else."""
    statuses = [found.status for _, found in rows]
    if "go" in statuses:
        return 0
    return 1 if statuses and set(statuses) == {"no-go"} else 3


def _entry(cell: Cell, found: Outcome) -> dict[str, Any]:
    place = cell.model_dump(mode="json", include={"id", "variant", "engine", "hardware", "card", "precision", "load"})
    return {**place, "plan_sha256": cell.plan_sha256, **found.model_dump(mode="json", exclude={"claims"})}


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


def _claims(mode: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What the vendor reports of the speed of `mode`, with the figure of each cell that has one of that kind."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for cell, one in _measured(rows):
        for claim in one.claims if one.mode == mode else ():
            said = claim.model_dump(mode="json", exclude={"measured", "differs", "mode"})
            entry = found.setdefault(
                (claim.claim, claim.source, claim.unit),
                {"mode": mode, **said, "known_by": "vendor-reported", "cells": []},
            )
            if claim.measured is not None:
                entry["cells"].append({"id": cell.id, "value": claim.measured, "differs": list(claim.differs)})
    return list(found.values())


def frontier(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Cells that may still be taken, and which of them another one dominates.

    No worse in time, right answers and, where all have a price, money, and better in one: by the figures alone, and
    only at the same load.
    """
    points = [
        (cell, found)
        for cell, found in rows
        if found.status in ("go", "inconclusive") and found.e2e_p50_ms is not None and found.pass_share is not None
    ]
    paid = all(found.usd_per_1000_right is not None for _, found in points)

    def place(found: Outcome) -> tuple[float, ...]:
        money = (found.usd_per_1000_right or 0.0,) if paid else ()
        return (found.e2e_p50_ms or 0.0, -(found.pass_share or 0.0), *money)

    def dominates(one: Row, other: Row) -> bool:
        mine, its = place(one[1]), place(other[1])
        sure = one[1].status == "go" or other[1].status != "go"
        return (
            sure
            and one[0].load == other[0].load
            and mine != its
            and all(a <= b for a, b in zip(mine, its, strict=True))
        )

    return [
        {
            "id": cell.id, "status": found.status, "mode": found.mode, "e2e_p50_ms": found.e2e_p50_ms,
            "pass_share": found.pass_share, "usd_per_1000_right": found.usd_per_1000_right if paid else None,
            "dominated_by": [other[0].id for other in points if dominates(other, (cell, found))],
        }
        for cell, found in points
    ]  # fmt: skip


def take(rows: Sequence[Row], decides: str = "concurrency") -> tuple[Cell, Outcome, str] | None:
    """The cell to take among those that are GO, and by what.

    The cheapest for 1,000 right answers where all have a price; else by what the checklist decides at: the highest
    capacity where that is asked for, the smallest median time elsewhere.
    """
    good = [(cell, found) for cell, found in rows if found.status == "go"]
    if not good:
        return None
    if all(found.usd_per_1000_right is not None for _, found in good):
        cell, found = min(good, key=lambda one: (one[1].usd_per_1000_right or 0.0, one[0].id))
        return cell, found, "cost"
    if decides == "capacity" and all(found.capacity is not None for _, found in good):
        cell, found = min(good, key=lambda one: (-(one[1].capacity or 0.0), one[0].id))
        return cell, found, "capacity"
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
