"""report.md: the report that people forward. Pure: from the document alone."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from evalkit.report.words import context_tables as context_part
from evalkit.report.words import fmt, quality_tables, quote, shapes, tables, view

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, Undefined

    environment = Environment(
        loader=PackageLoader("evalkit.report"),
        autoescape=False,  # noqa: S701  Markdown has quoting of its own: every value passes one of the filters below
        undefined=Undefined,
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
        mermaid=quote.mermaid,
        status=view.status,
        number=fmt.number,
        ms=fmt.milliseconds,
    )
    environment.globals.update(table=_table)
    return environment


def render(doc: dict[str, Any], *, charts: Iterable[str] = ()) -> str:
    """The Markdown of `doc`; `charts` names the SVG files that lie in charts/ beside it.

    Without such files (a step summary reaches none) Mermaid draws what it can.
    """
    from evalkit.report.words.charts import TITLES

    text = (
        _environment()
        .get_template("report.md.j2")
        .render(
            doc=doc,
            view=view,
            fmt=fmt,
            tables=tables,
            context_part=context_part,
            quality_tables=quality_tables,
            shapes=shapes,
            charts={name: TITLES[name] for name in sorted(charts)},
            bars=_bars(doc),
            curves=_curves(doc),
        )
    )
    return _tidy(text)


def _table(head: tuple[str, ...], rows: list[view.Row]) -> str:
    """A table whose cells are quoted here, first column in bold."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(quote.cell(c) for c in row.cells)} |" for row in rows]
    return "\n".join(lines)


def _bars(doc: dict[str, Any]) -> list[tuple[str, float]]:
    """(mode, whole-answer p50 in ms) where the modes are decided, for a Mermaid chart of at most twelve bars."""
    level = doc.get("decided_at_concurrency")
    found = []
    for entry, row in view.levels(doc):
        middle = (row.get("e2e_ms") or {}).get("p50")
        if row.get("concurrency") == level and isinstance(middle, (int, float)):
            found.append((entry["mode"], float(middle)))
    return found[:12]


def _curves(doc: dict[str, Any]) -> list[tuple[str, list[tuple[int, float]]]]:
    """(mode, [(requests at once, speed-up)]) for a Mermaid chart a mode, of modes timed at several loads."""
    found = []
    for entry in doc["modes"]:
        points = sorted(
            (lv["concurrency"], float(lv["speedup"]["ratio"]))
            for lv in entry["levels"]
            if (lv.get("speedup") or {}).get("ratio") is not None
        )
        if len(points) > 1:
            found.append((entry["mode"], points[:12]))
    return found[:3]


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
