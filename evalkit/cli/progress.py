"""Live progress on a terminal: one row an item, drawn by Rich on stderr; elsewhere one plain line a step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evalkit.findings import ITEM_IDS
from evalkit.run.show import Plain, Show
from evalkit.text import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


class Live:
    """Six rows in the order of the report; a row starts to turn when its item is at work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._rows: dict[str, TaskID] = {
            item: progress.add_task(item, total=None, start=False, note="", count="") for item in ITEM_IDS
        }

    def say(self, item: str, text: str) -> None:
        row = self._rows[item]
        self._progress.start_task(row)
        self._progress.update(row, note=one_line(text, limit=60), total=None, count="")
        for other in self._rows.values():
            if other != row and self._progress.tasks[other].started:
                self._progress.stop_task(other)

    def tell(self, item: str, text: str) -> None:
        from rich.text import Text

        self._progress.console.print(Text(f"{item:9} {one_line(text, limit=1000)}"), soft_wrap=True)

    def advance(self, item: str, done: int, planned: int) -> None:
        self._progress.update(self._rows[item], completed=done, total=planned, count=f"{done}/{planned}")


@contextmanager
def shown() -> Iterator[Show]:
    """The way to tell progress that fits where stderr goes."""
    if not sys.stderr.isatty():
        yield Plain()
        return
    from rich.console import Console

    with rows(Console(stderr=True)) as progress:
        yield Live(progress)


def rows(console: Console) -> Progress:
    """The live rows; where a line is too short the note is cut, never the time or the count."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    def fixed(width: int) -> Column:
        return Column(no_wrap=True, min_width=width, max_width=width)

    columns = (
        TextColumn("{task.description}", table_column=fixed(9)),
        TimeElapsedColumn(table_column=fixed(7)),
        BarColumn(bar_width=10, table_column=fixed(10)),
        TextColumn("{task.fields[count]:>9}", table_column=fixed(9)),
        TextColumn(
            "{task.fields[note]}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
        ),
    )
    return Progress(*columns, console=console, transient=True, expand=True)
