"""Whether the verdict of a matrix still holds: each cell is gated as a run of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from evalkit import fmt
from evalkit.matrix.outcome import DECIDED, Outcome, outcome
from evalkit.matrix.plan import Cell, read
from evalkit.matrix.report import Row, document
from evalkit.stored.gate import GateResult, gate
from evalkit.stored.open import open_for_gate
from evalkit.text import one_line

#: cells whose doubts are listed one by one
_MOST = 5


def runs_of(path: Path) -> list[Path]:
    """The run folders of the cells that have a verdict.

    Raises:
        RunFolderError: the folder has no plan that can be read.
    """
    plan = read(path)
    folders = [(cell, path / "cells" / cell.id) for cell in plan.cells]
    return [folder / "run" for cell, folder in folders if outcome(cell, folder).status in DECIDED]


def gate_matrix(path: Path, now: datetime, *, max_age: timedelta) -> GateResult:
    """As the exit code of the report, of the cells whose own verdict can be trusted now.

    Raises:
        RunFolderError: the folder has no plan that can be read.
    """
    plan = read(path)
    looked = [_looked(cell, path / "cells" / cell.id, now, max_age) for cell in plan.cells]
    rows = [(cell, found) for cell, found, _ in looked]
    doubts = [doubt for _, _, doubt in looked if doubt]
    made = document(plan, rows)
    code = made["exit_code"]
    verdict = {0: "go", 1: "no-go"}.get(code, "inconclusive")
    shown = [*doubts[:_MOST], *([f"{len(doubts) - _MOST} more cells cannot be trusted"] if len(doubts) > _MOST else [])]
    taken = made["take"]
    if code == 0 and taken:
        mode = f" in mode {taken['mode']}" if taken["mode"] else ""
        reasons = [f"the cell to take is {taken['id']}{mode}"]
        notes = [*shown, *_by_chance(taken["shown_over_all"], taken["tried"])]
        return GateResult(0, verdict, tuple(reasons), (), tuple(notes))
    return GateResult(code, verdict, ("every cell is NO-GO" if code == 1 else _open(rows), *shown))


def _looked(cell: Cell, folder: Path, now: datetime, max_age: timedelta) -> tuple[Cell, Outcome, str]:
    """The cell with what holds of it now, and why its verdict does not."""
    found = outcome(cell, folder)
    if found.status not in ("go", "no-go"):
        return cell, found, ""
    result = gate(open_for_gate(folder / "run"), now, max_age=max_age)
    if result.exit_code == (0 if found.status == "go" else 1):
        return cell, found, ""
    why = one_line(result.reasons[0] if result.reasons else "its verdict does not hold")
    return cell, Outcome(status="failed", detail=why), f"{cell.id}: {why}"


def _open(rows: Sequence[Row]) -> str:
    decided = sum(found.status == "no-go" for _, found in rows)
    return f"no cell is GO, and {decided} of {fmt.plural(len(rows), 'cell')} NO-GO"


def _by_chance(shown: bool | None, tried: int) -> list[str]:
    if shown is not False:
        return []
    return [f"among {tried} cells one can be GO by chance: its speed-up is not shown with all of them counted"]
