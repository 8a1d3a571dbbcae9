"""The terminal report: verdict, six rows, next steps, where the report lies. 80 columns, plain when piped."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from evalkit.report.words import view
from evalkit.text import calm, one_line

if TYPE_CHECKING:
    from rich.console import Console

_MOST_WAIVERS = 8
_STYLES = {"go": "bold green", "no-go": "bold red", "inconclusive": "bold yellow"}
_STATUS = {"pass": "green", "fail": "bold red", "warn": "yellow", "inconclusive": "yellow", "error": "yellow"}


def render(
    doc: dict[str, Any], *, width: int = 80, report_path: str | None = None, charts: Mapping[str, str] | None = None
) -> str:
    """The plain text of the report, no line longer than `width`."""
    del charts
    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True, force_terminal=False, highlight=False, emoji=False)
    _print(doc, console, report_path)
    return calm("\n".join(line.rstrip() for line in out.getvalue().split("\n")))


def show(doc: dict[str, Any], stream: IO[str], *, report_path: str | None = None) -> None:
    """Print to `stream`; colours only on a terminal that wants them (NO_COLOR is honoured)."""
    from rich.console import Console

    console = Console(file=stream, highlight=False, emoji=False, soft_wrap=False)
    if not console.is_terminal:
        stream.write(render(doc, report_path=report_path))
        return
    _print(doc, console, report_path)


def _print(doc: dict[str, Any], console: Console, report_path: str | None) -> None:
    from rich.padding import Padding
    from rich.text import Text

    if doc["simulated"]:
        console.print(Text("SIMULATED: scripted servers, no figure is about a real model", style="bold reverse"))
    head = Text(view.verdict(doc), style=_STYLES.get(doc["verdict"], "bold"))
    console.print(head.append(f"  {one_line(view.subject(doc))}  {view.date(doc)}", style="default not bold"))
    for line in view.notices(doc):
        console.print(Text(one_line(line, limit=600)))
    console.print()
    for question, answer in view.why(doc):
        console.print(
            Padding(Text(f"{question} ", style="bold").append(one_line(answer, limit=2400), "not bold"), (0, 0))
        )
    console.print()
    console.print(_items(doc))
    waivers = view.waiver_rows(doc)
    rest = f"{len(waivers) - _MOST_WAIVERS} more in the report" if len(waivers) > _MOST_WAIVERS else ""
    for title, block in (
        ("Waivers", view.Steps("", waivers[:_MOST_WAIVERS], rest)),
        ("Next", view.next_steps(doc)),
    ):
        if block.lines:
            console.print()
            console.print(Text(title, style="bold").append(f"  {block.purpose}".rstrip(), "not bold"))
            for line in block.lines:
                console.print(_bullet(one_line(line, limit=600)))
            if block.rest:
                console.print(Text(f"  … {block.rest}"))
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


def _items(doc: dict[str, Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, pad_edge=False, expand=False)
    table.add_column("Item", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    table.add_column("In a sentence", ratio=1, overflow="fold")
    for row in view.checklist(doc):
        name = row.id if row.required else f"{row.id} (optional)"
        table.add_row(
            Text(name),
            Text(view.status(row.status), style=_STATUS.get(row.status, "")),
            Text(one_line(row.summary, limit=240)),
        )
    return table


def wrapped(text: str, indent: int = 0) -> list[str]:
    """Lines of at most 80 columns, wide characters counted; what is longer than a line is cut where it must be."""
    from rich.console import Console
    from rich.text import Text

    lines = Text(one_line(text, limit=2000)).wrap(Console(width=78), 78 - indent, overflow="fold")
    return [" " * (indent + 2 * (n > 0)) + line.plain.rstrip() for n, line in enumerate(lines)]
