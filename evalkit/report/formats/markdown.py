"""report.md: the report that people forward. Pure: from the document alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from evalkit import fmt
from evalkit.report.document.model import Report
from evalkit.report.words import cases, load_tables, quality_tables, quote, tables, view
from evalkit.report.words.first_screen import first_screen

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("evalkit.report"),
        autoescape=False,  # noqa: S701  Markdown has quoting of its own: every value passes one of the filters below
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        code=quote.code,
        prose=quote.prose,
        cell=quote.cell,
        cell_code=quote.cell_code,
        block=quote.block,
        status=view.status,
        number=fmt.number,
        ms=fmt.milliseconds,
    )
    environment.globals.update(table=_table)
    return environment


def render(doc: Report, *, charts: Iterable[str] = ()) -> str:
    """The Markdown of `doc`; `charts` names the SVG files that lie in charts/ beside it."""
    from evalkit.report.words.charts import TITLES

    text = (
        _environment()
        .get_template("report.md.j2")
        .render(
            doc=doc,
            view=view,
            fmt=fmt,
            tables=tables,
            money=load_tables,
            cases=cases,
            quality_tables=quality_tables,
            charts={name: TITLES[name] for name in sorted(charts)},
            screen=first_screen(doc),
        )
    )
    return _tidy(text)


def _table(head: load_tables.Row, rows: Sequence[load_tables.Row]) -> str:
    """A table whose cells are quoted here, first column in bold."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(quote.cell(c) for c in row)} |" for row in rows]
    return "\n".join(lines)


def _tidy(text: str) -> str:
    """No trailing blanks, never two blank lines outside what is quoted, one newline at the end."""
    out: list[str] = []
    fence: str | None = None
    for line in text.split("\n"):
        ticks = line[: len(line) - len(line.lstrip("`"))]
        if fence is None and len(ticks) >= 3:
            fence = ticks
        elif fence is not None and line == fence:
            fence = None
        kept = line if fence else line.rstrip()
        if fence is None and not kept and out and not out[-1]:
            continue
        out.append(kept)
    return "\n".join(out).strip("\n") + "\n"
