"""Runs the cells of a matrix: what is missing, by one engine. A cell that fails is a cell that failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from evalkit.errors import RunFolderError
from evalkit.matrix.engines import Engine, Handle, Slurm
from evalkit.matrix.outcome import DECIDED, Outcome, outcome
from evalkit.matrix.plan import INDEX, Cell, Plan, Planned, read, write
from evalkit.run.lock import FolderLock
from evalkit.system import ended_by_term

#: seconds between two looks at a cell
_LOOK_S = 0.2


def prepare(planned: Planned, out: Path, *, resume: bool) -> list[Cell]:
    """Write the plan to `out`; the cells that are to be run.

    Raises:
        RunFolderError: `out` has results already and `resume` was not asked for.
    """
    before = read(out) if (out / INDEX).is_file() else None
    if before is not None and not resume and any(_has_result(out, cell) for cell in before.cells):
        raise RunFolderError(
            "already has results of cells", where=str(out), hint="give --resume, or another --output-dir"
        )
    _same_plan(planned.plan, before, out)
    write(planned, out)
    return missing(planned.plan, out)


def _has_result(out: Path, cell: Cell) -> bool:
    return (out / "cells" / cell.id / "run").exists()


def _same_plan(plan: Plan, before: Plan | None, out: Path) -> None:
    """A cell that was begun keeps its plan: its run would refuse another.

    Raises:
        RunFolderError: the plan of a cell with results has changed.
    """
    old = {cell.id: cell.plan_sha256 for cell in before.cells} if before else {}
    changed = [c for c in plan.cells if old.get(c.id, c.plan_sha256) != c.plan_sha256 and _has_result(out, c)]
    if changed:
        one = changed[0].id
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        hint = f"choose another --output-dir, or remove {out / 'cells' / one / 'run'} to run the cell by the new plan"
        raise RunFolderError(
            f"the plan of {one}{more} is not the one that its run began with", where=str(out), hint=hint
        )


def missing(plan: Plan, out: Path) -> list[Cell]:
    """Cells without a verdict by this plan."""
    return [cell for cell in plan.cells if outcome(cell, out / "cells" / cell.id).status not in DECIDED]


def work(cells: Sequence[Cell], engine: Engine, out: Path, say: Callable[[str], None]) -> None:
    """Run `cells`. One lock on `out`: two matrices never work in one folder.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; the cell that was running has ended, its run can go on.
    """
    lock = FolderLock(out)
    try:
        with ended_by_term():
            if isinstance(engine, Slurm):
                taken = {cell.id for cell in engine.waiting(cells)}
                open_ = [cell for cell in cells if cell.id not in taken]
                say(f"{len(taken)} cells are with Slurm already") if taken else None
                engine.submit(open_) if open_ else None
                return
            for number, cell in enumerate(cells, 1):
                say(f"cell {number} of {len(cells)}: {cell.id}, at most {cell.minutes} minutes")
                found = _one(cell, engine)
                say(f"  {found.status}{': ' + found.detail if found.detail else ''}")
    finally:
        lock.release()


def _one(cell: Cell, engine: Engine) -> Outcome:
    """One cell, until it ends or its time does."""
    (handle,) = engine.submit([cell])
    began = time.monotonic()
    try:
        while engine.poll(handle) != "ended":
            if time.monotonic() - began > cell.most_minutes * 60:
                engine.cancel(handle, "timed-out")
                break
            time.sleep(_LOOK_S)
    except BaseException:
        _cancelled(engine, handle)
        raise
    return engine.fetch(handle)


def _cancelled(engine: Engine, handle: Handle) -> None:
    """End the cell even when the person is impatient: a second Ctrl-C must not leave its server."""
    import signal

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        engine.cancel(handle, "interrupted")
    finally:
        signal.signal(signal.SIGINT, before)
