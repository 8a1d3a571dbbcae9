"""What an engine does: it starts cells, says whether they work, and ends them. It never decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from evalkit.matrix.outcome import Outcome
from evalkit.matrix.plan import Cell

State = Literal["waiting", "running", "ended"]


@dataclass
class Handle:
    """A cell that was handed in. `ref`: the engine's own reference to it."""

    cell: Cell
    folder: Path
    ref: Any = None


class Engine(Protocol):
    """One way to run cells."""

    name: str
    #: cells handed in together; 1: one after the other on this machine
    together: int | None
    #: cells that are handed in work on without this process
    detached: bool

    def submit(self, cells: Sequence[Cell]) -> list[Handle]:
        """Hand the cells in; each goes on with its run where one was begun."""
        ...

    def poll(self, handle: Handle) -> State:
        """What the cell does now."""
        ...

    def logs(self, handle: Handle) -> str:
        """The last line that the cell's process wrote."""
        ...

    def fetch(self, handle: Handle) -> Outcome:
        """What became of it, from its folder."""
        ...

    def cancel(self, handle: Handle, reason: Literal["interrupted", "timed-out"]) -> None:
        """End it with all that it started, and write down why."""
        ...
