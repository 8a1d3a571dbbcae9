"""The terminal report: the first screen, and where the report lies. 80 columns, plain when piped."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any

from evalkit.report.document.model import Report
from evalkit.report.words import view
from evalkit.report.words.first_screen import FirstScreen, first_screen
from evalkit.text import calm, one_line

if TYPE_CHECKING:
    from rich.console import Console

_MOST_WAIVERS = 8
_STYLES = {"go": "bold green", "no-go": "bold red", "inconclusive": "bold yellow"}
_STATUS = {"pass": "green", "fail": "bold red", "warn": "yellow", "inconclusive": "yellow", "error": "yellow"}


def render(doc: Report, *, width: int = 80, report_path: str | None = None) -> str:
    """The plain text of the report, no line longer than `width`."""
    from rich.cells import cell_len
    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True, force_terminal=False, highlight=False, emoji=False)
    _print(doc, console, report_path)
    lines = calm("\n".join(line.rstrip() for line in out.getvalue().split("\n"))).split("\n")
    return "\n".join(line if cell_len(line) <= width else _narrower(line) for line in lines)


def _narrower(line: str) -> str:
    """A command to a CI runner that a blank broke and made too long: its indent or its end gives way."""
    return line[1:] if line.startswith(" ") else f"{line[:-1]}\n{line[-1]}"


def show(doc: Report, stream: IO[str], *, report_path: str | None = None) -> None:
    """Print to `stream`; colours only on a terminal that wants them (NO_COLOR is honoured)."""
    from rich.console import Console

    console = Console(file=stream, highlight=False, emoji=False, soft_wrap=False)
    if not console.is_terminal:
        stream.write(render(doc, report_path=report_path))
        return
    _print(doc, console, report_path)


def _print(doc: Report, console: Console, report_path: str | None) -> None:
    from rich.text import Text

    if doc["simulated"]:
        console.print(Text("SIMULATED: scripted servers; no figure describes a real model", style="bold reverse"))
    screen = first_screen(doc)
    head = Text(screen.headline, style=_STYLES.get(doc["verdict"], "bold"))
    console.print(head.append(f"  {one_line(view.subject(doc))}  {view.date(doc)}", style="default not bold"))
    for line in view.notices(doc):
        console.print(Text(one_line(line, limit=600)))
    console.print()
    console.print(Text(one_line(screen.decision, limit=2400), style="bold"))
    console.print()
    for line in screen.why:
        console.print(_bullet(one_line(line, limit=600)))
    for question, answer in (
        ("May we use it?", screen.may_use),
        ("How sure are we?", " ".join(screen.certainty)),
        ("Against today's model?", " ".join(screen.today)),
    ):
        console.print(Text(f"{question} ", style="bold").append(one_line(answer, limit=2400), "not bold"))
    console.print()
    console.print(_matrix(doc, screen))
    waivers = view.waiver_rows(doc)
    more = [f"… {len(waivers) - _MOST_WAIVERS} more in the report"] if len(waivers) > _MOST_WAIVERS else []
    rest = [f"… {screen.more_steps} more in the report"] if screen.more_steps else []
    for title, lines in (
        ("Waivers", [*waivers[:_MOST_WAIVERS], *more]),
        ("Next", [*screen.next_steps, *rest]),
    ):
        if lines:
            console.print()
            console.print(Text(title, style="bold"))
            for line in lines:
                console.print(_bullet(one_line(line, limit=600)))
    if report_path:
        console.print()
        console.print(Text(f"Report: {one_line(report_path, limit=1000)}"), soft_wrap=True)


def _bullet(line: str) -> Any:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=3, justify="right")
    grid.add_column(ratio=1, overflow="fold")
    grid.add_row(Text("-"), Text(line))
    return grid


def _matrix(doc: Report, screen: FirstScreen) -> Any:
    """A row a mode, a column an item; the figure of a cell below its status."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, expand=False)
    table.add_column("Mode", overflow="fold", min_width=16)
    for item in doc["items"]:
        table.add_column(item["id"] if item["required"] else f"({item['id']})", overflow="fold")
    for row in screen.rows:
        cells = [
            Text(f"{row.mode}{f' ({row.role})' if row.role else ''}", style="bold" if row.role == "recommended" else "")
        ]
        for item in doc["items"]:
            cell = row.cells[item["id"]]
            cells.append(Text(f"{view.status(cell.status)}\n{cell.figure}".strip(), style=_STATUS.get(cell.status, "")))
        table.add_row(*cells)
    return table


def wrapped(text: str, indent: int = 0) -> list[str]:
    """Lines of at most 80 columns, wide characters counted; what is longer than a line is cut where it must be."""
    from rich.console import Console
    from rich.text import Text

    lines = Text(one_line(text, limit=2000)).wrap(Console(width=78), 78 - indent, overflow="fold")
    return [" " * (indent + 2 * (n > 0)) + line.plain.rstrip() for n, line in enumerate(lines)]
