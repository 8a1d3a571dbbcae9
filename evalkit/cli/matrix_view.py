"""What the cells of a matrix do, on stderr: on a terminal a line a cell, drawn again; elsewhere lines for a log."""

from __future__ import annotations

import re
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit import fmt
from evalkit.matrix.engines import State
from evalkit.matrix.outcome import DECIDED, Outcome
from evalkit.matrix.plan import Cell
from evalkit.matrix.run import View
from evalkit.run.show import HEARTBEAT_S
from evalkit.secrets import redact
from evalkit.text import one_line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

#: redraws a second: each takes time that belongs to the measurement of a cell here
_FPS = 1
#: the time at the front of a run's lines: the row has a clock of its own
_STAMP = re.compile(r"\A\d{4}-\d\d-\d\dT[\d:.]+Z ")
_MARKS = {"waiting": ("·", "dim"), "running": ("▸", "bold"), "decided": ("✓", "green"), "failed": ("✗", "red")}


@dataclass
class _Row:
    """One cell. `since`: when it began to run."""

    state: str = "waiting"
    since: float | None = None
    seconds: float = 0.0
    note: str = ""
    said: float | None = None


@contextmanager
def shown(cells: Sequence[Cell]) -> Iterator[View]:
    """The view that fits where stderr goes."""
    if not sys.stderr.isatty():
        yield Lines(cells)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    screen = Screen(cells, console)
    with Live(screen, console=console, refresh_per_second=_FPS, transient=True, redirect_stdout=False):
        yield screen


class _Board(ABC):
    """What is known of each cell."""

    def __init__(self, cells: Sequence[Cell], clock: Callable[[], float] = time.monotonic) -> None:
        self.rows = {cell.id: _Row() for cell in cells}
        self.clock = clock

    @abstractmethod
    def say(self, text: str) -> None:
        """A line for the reader."""

    def doing(self, cell: Cell, state: State, line: str) -> None:
        row = self.rows[cell.id]
        row.state, row.note = state, _STAMP.sub("", one_line(redact(line)))
        if state == "running" and row.since is None:
            row.since = self.clock()

    def ended(self, cell: Cell, found: Outcome) -> None:
        row = self.rows[cell.id]
        row.seconds = self.elapsed(row)
        row.state = "decided" if found.status in DECIDED else "failed"
        row.note = one_line(redact(f"{found.status}{': ' + found.detail if found.detail else ''}"))

    def elapsed(self, row: _Row) -> float:
        if row.state in ("decided", "failed") or row.since is None:
            return row.seconds
        return self.clock() - row.since


class Lines(_Board):
    """A line where a cell begins or ends, and one each half minute in between."""

    def say(self, text: str) -> None:
        sys.stderr.write(f"{redact(text)}\n")
        sys.stderr.flush()

    def doing(self, cell: Cell, state: State, line: str) -> None:
        super().doing(cell, state, line)
        row, now = self.rows[cell.id], self.clock()
        if row.said is not None and now - row.said < HEARTBEAT_S:
            return
        if row.said is None or state == "running":
            note = f": {row.note}" if row.note else f", at most {fmt.plural(cell.minutes, 'minute')}"
            self.say(f"{cell.id} {state} {fmt.clock(self.elapsed(row))}{note}")
        row.said = now

    def ended(self, cell: Cell, found: Outcome) -> None:
        super().ended(cell, found)
        row = self.rows[cell.id]
        count = sum(one.state in ("decided", "failed") for one in self.rows.values())
        self.say(f"{cell.id} ended {fmt.clock(row.seconds)}: {row.note} ({count} of {len(self.rows)})")


class Screen(_Board):
    """A row a cell. Where they are more than the screen has lines, those that work come first."""

    _ORDER = ("running", "waiting", "failed", "decided")

    def __init__(self, cells: Sequence[Cell], console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(cells, clock)
        self._console = console

    def say(self, text: str) -> None:
        from rich.text import Text

        self._console.print(Text(one_line(redact(text), limit=1000)), soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The rows, and how many cells are in which state."""
        from rich.table import Table
        from rich.text import Text

        rows = list(self.rows.items())
        room = max((options.height or console.height) - 2, 1)
        if len(rows) > room:
            rows = sorted(rows, key=lambda one: self._ORDER.index(one[1].state))[:room]
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=1)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(width=7, no_wrap=True, justify="right")
        table.add_column(ratio=2, no_wrap=True, overflow="ellipsis")
        for name, row in rows:
            mark, style = _MARKS[row.state]
            time_ = fmt.clock(self.elapsed(row)) if row.state != "waiting" else ""
            table.add_row(Text(mark, style), Text(name, style), Text(time_), Text(row.note or row.state))
        yield table
        states = [row.state for row in self.rows.values()]
        said = ", ".join(f"{n} {state}" for state in self._ORDER if (n := states.count(state)))
        yield Text(f"  {fmt.plural(len(states), 'cell')}: {said}", "dim", no_wrap=True, overflow="ellipsis")
