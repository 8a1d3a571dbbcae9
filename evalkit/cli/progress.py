"""Live progress on a terminal, drawn by Rich on stderr; elsewhere lines for a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from evalkit import fmt
from evalkit.run.show import Board, Quiet, Show, Shown, plain
from evalkit.text import one_line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

#: redraws a second: each takes time that belongs to the measurement
_FPS = 2
_MARKS = {
    "waiting": ("·", "dim"),
    "working": ("▸", "bold"),
    "paused": ("▹", ""),
    "done": ("✓", "green"),
    "skipped": ("–", "dim"),
}


def shown(verbosity: int = 0) -> Shown:
    """The way to show progress that fits where stderr goes. `verbosity`: below 0 quiet, above 0 with details."""
    return partial(_shown, verbosity)


@contextmanager
def _shown(verbosity: int) -> Iterator[Show]:
    if verbosity < 0:
        yield Quiet()
        return
    if not sys.stderr.isatty():
        with plain(verbose=verbosity > 0) as lines:
            yield lines
        return
    from rich.console import Console

    screen = Screen(verbose=verbosity > 0)
    with drawn(screen, Console(stderr=True)):
        yield screen


class Screen(Quiet):
    """Six rows in the order of the report, then the results so far and the time left. As wide as the terminal."""

    def __init__(self, *, verbose: bool = False) -> None:
        self.board = Board()
        self.console: Console | None = None
        self._verbose = verbose
        self._whole = self.board.clock()

    def say(self, item: str, text: str) -> None:
        self.board.begin(item, one_line(text))

    def tell(self, item: str, text: str) -> None:
        from rich.text import Text

        if self.console is not None:
            self.console.print(Text(f"{item:9} {one_line(text, limit=1000)}"), soft_wrap=True)

    def detail(self, item: str, text: str) -> None:
        if self._verbose:
            self.tell(item, text)

    def advance(self, item: str, done: int, planned: int) -> None:
        row = self.board.rows[item]
        row.done, row.planned = done, planned

    def finish(self, item: str, text: str = "") -> None:
        self.board.finish(item, one_line(text or self.board.idle(item)) or "done")

    def overall(self, results: Sequence[str], left: str) -> None:
        self.board.results, self.board.left = [one_line(text) for text in results], left

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The rows and what is below them. Where a line is too short the note is cut, never the time or the count."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=1)
        table.add_column(width=8, no_wrap=True)
        table.add_column(width=7, no_wrap=True, justify="right")
        table.add_column(width=11, no_wrap=True, justify="right")
        table.add_column(ratio=1, no_wrap=True)
        table.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
        now = self.board.clock()
        for item, row in self.board.rows.items():
            mark, style = _MARKS["paused" if row.state == "working" and row.since is None else row.state]
            total = float(max(row.planned, 1))
            full = total if row.state == "done" else float(row.done)
            table.add_row(
                Text(mark, style), Text(item, style if row.state != "done" else ""),
                Text(fmt.clock(row.elapsed(now)) if row.state in ("working", "done") else ""),
                Text(f"{row.done}/{row.planned}" if row.planned else ""),
                Text("") if row.state in ("waiting", "skipped") else ProgressBar(total, full), Text(row.note),
            )  # fmt: skip
        yield table
        for text in self.board.results:
            yield Text(f"  {text}", no_wrap=True, overflow="ellipsis")
        left = f", {self.board.left}" if self.board.left else ""
        yield Text(f"  {fmt.clock(now - self._whole)} in all{left}", "dim", no_wrap=True, overflow="ellipsis")


def drawn(screen: Screen, console: Console) -> AbstractContextManager[object]:
    """Draws `screen` until the block ends; then it is gone."""
    from rich.live import Live

    screen.console = console
    return Live(screen, console=console, refresh_per_second=_FPS, transient=True, redirect_stdout=False)
