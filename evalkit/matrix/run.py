"""Runs the cells of a matrix: what is missing, by one engine. A cell that fails is a cell that failed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from evalkit.errors import RunFolderError
from evalkit.matrix import is_matrix
from evalkit.matrix.engines import Engine, Handle, State
from evalkit.matrix.outcome import DECIDED, Outcome, outcome
from evalkit.matrix.plan import Cell, Plan, Planned, read, write
from evalkit.run.lock import FolderLock
from evalkit.system import ended_by_term

#: seconds between two looks at a cell
_LOOK_S = 0.2
#: seconds between two readings of what cells say: that is read, redacted and shown
_SAY_S = 1.0


def prepare(planned: Planned, out: Path, *, resume: bool) -> list[Cell]:
    """Write the plan to `out`; the cells that are to be run.

    Raises:
        RunFolderError: `out` has results already and `resume` was not asked for.
    """
    before = read(out) if is_matrix(out) else None
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


class View(Protocol):
    """Shows a person what the cells do."""

    def say(self, text: str) -> None:
        """One line about the matrix as a whole."""
        ...

    def doing(self, cell: Cell, state: State, line: str) -> None:
        """What a cell does now, and what its process said last."""
        ...

    def ended(self, cell: Cell, found: Outcome) -> None:
        """What became of a cell."""
        ...


def work(cells: Sequence[Cell], engine: Engine, out: Path, view: View) -> None:
    """Run `cells`. One lock on `out`: two matrices never work in one folder.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; cells that were running have ended, their runs can go on.
    """
    lock = FolderLock(out)
    try:
        with ended_by_term():
            if engine.detached:
                engine.submit(cells)
            else:
                _until_ended(cells, engine, view)
    finally:
        lock.release()


def _until_ended(cells: Sequence[Cell], engine: Engine, view: View) -> None:
    """Hand cells in as the engine takes them, and look at them until the last has ended."""
    left, open_ = list(cells), list[Handle]()
    due = time.monotonic()
    try:
        while left or open_:
            says = time.monotonic() >= due
            due = time.monotonic() + _SAY_S if says else due
            while left and len(open_) < (engine.together or len(cells)):
                view.doing(left[0], "waiting", "")
                open_ += engine.submit([left.pop(0)])
            for handle in tuple(open_):
                state = engine.poll(handle)
                if state == "ended":
                    open_.remove(handle)
                    view.ended(handle.cell, engine.fetch(handle))
                elif says:
                    view.doing(handle.cell, state, engine.logs(handle))
            time.sleep(_LOOK_S)
    except BaseException:
        _cancelled(engine, open_)
        raise


def _cancelled(engine: Engine, handles: Sequence[Handle]) -> None:
    """End the cells even when the person is impatient: a second Ctrl-C must not leave a server."""
    import signal

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for handle in handles:
            engine.cancel(handle, "interrupted")
    finally:
        signal.signal(signal.SIGINT, before)
