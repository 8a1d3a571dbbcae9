"""report.html: one file that loads nothing. Every value is escaped by the template; scripts run by hash only."""

from __future__ import annotations

import base64
import difflib
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from evalkit import fmt
from evalkit.report.document.model import Report
from evalkit.report.document.model.modes import Timeline
from evalkit.report.words import cases, dots, load_tables, quality_tables, tables, view
from evalkit.report.words.first_screen import first_screen
from evalkit.text import capital, sanitize

if TYPE_CHECKING:
    from jinja2 import Environment

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_SPAN = re.compile(r"(?<!`)`([^`\s](?:[^`]*[^`\s])?)`(?!`)")
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_DIFF_LIMIT = 2000
_TEXT = 6000
#: units between two figures above a timeline: nearer, and they would overlap
_COUNT_GAP = 12.0
_SECTIONS = (
    ("checklist", "Modes and items"),
    ("speed", "Speed"),
    ("prompts", "Prompts"),
    ("timelines", "Timelines"),
    ("quality-table", "Quality"),
    ("cases", "Cases"),
    ("details", "Details"),
    ("limits", "Not shown"),
    ("provenance", "Provenance"),
    ("reproduce", "Reproduce"),
)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("evalkit.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(
        status=view.status, number=fmt.number, ms=fmt.milliseconds, spans=_spans, capital=capital
    )
    return environment


def _spans(text: object) -> object:
    """A sentence whose `code` is code; everything is escaped."""
    from markupsafe import Markup, escape

    parts = _SPAN.split(sanitize(str(text), limit=_TEXT))
    made = [Markup("<code>{}</code>").format(p) if n % 2 else escape(p) for n, p in enumerate(parts)]
    return Markup("").join(made)


def _shown(value: object) -> object:
    """Texts without control characters and of bounded length; what the template made stays as it is."""
    from markupsafe import Markup

    return sanitize(value, limit=_TEXT) if isinstance(value, str) and not isinstance(value, Markup) else value


def render(doc: Report, *, charts: Mapping[str, str] | None = None) -> str:
    """The whole report in one file, readable without JavaScript; `charts` are drawn where none are given."""
    from markupsafe import Markup

    from evalkit.report.words.charts import TITLES, draw

    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    drawn = draw(doc) if charts is None else charts
    links = {t["prompt_id"]: f"timeline-{n}" for n, t in enumerate(doc["timelines"], 1)}
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            doc=doc,
            view=view,
            screen=first_screen(doc),
            tables=tables,
            money=load_tables,
            quality_tables=quality_tables,
            fmt=fmt,
            policy=f"{_POLICY}; script-src 'sha256-{digest}'",
            script=Markup(script),  # noqa: S704  a file of this package
            cases=cases,
            suites=cases.suites(doc),
            tags=cases.tags(doc),
            island=Markup(cases.island(doc)),  # noqa: S704  JSON without <, > and &
            dots=Markup(dots.inline(doc, links)),  # noqa: S704  every text in it is escaped there
            links=links,
            charts={n: (TITLES[n], _data_uri(svg)) for n, svg in drawn.items() if n != "prompts"},
            diff=diff,
            timelines=[_placed(t) for t in doc["timelines"]],
            sections=[(ident, name) for ident, name in _SECTIONS if _has(doc, ident)],
        )
    )


def _script() -> str:
    return (files("evalkit.report") / "templates" / "report.js").read_text(encoding="utf-8")


def _has(doc: Report, section: str) -> bool:
    """Whether a section that not every report has is there."""
    wanted = {"timelines": doc["timelines"], "prompts": cases.gaining(doc), "waivers": doc["waivers"]}
    return bool(wanted.get(section, True))


def _data_uri(svg: str) -> str:
    from markupsafe import Markup

    return Markup("data:image/svg+xml;base64,") + base64.b64encode(svg.encode()).decode()


def diff(before: str, after: str) -> list[tuple[str, str, str]]:
    """(kind, baseline part, mode part) word by word; kind is same, changed. Only the first 2,000 words are compared."""
    a, b = _WORDS.findall(before)[:_DIFF_LIMIT], _WORDS.findall(after)[:_DIFF_LIMIT]
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False) if len(a) * len(b) <= 250_000 else None
    if matcher is None:
        return [("changed", "".join(a), "".join(b))]
    return [
        ("same" if kind == "equal" else "changed", "".join(a[i:j]), "".join(b[k:m]))
        for kind, i, j, k, m in matcher.get_opcodes()
    ]


def _placed(timeline: Timeline) -> dict[str, Any]:
    """Chunks as marks on a line of 600 units: a dot a token, a bar a run, its height growing with the tokens."""
    longest = max((m["e2e_ms"] or 0 for m in timeline["modes"]), default=0) or 1
    modes = [{**entry, "marks": _marks(entry["chunks"], longest)} for entry in timeline["modes"]]
    return {**timeline, "modes": modes, "longest": longest}


def _marks(chunks: list[list[float | None]], longest: float) -> list[dict[str, Any]]:
    """Where each chunk stands; the figure above a run is left out where it would overlap the one before."""
    marks: list[dict[str, Any]] = []
    told = -_COUNT_GAP
    for at, tokens in chunks:
        many = tokens is not None and tokens > 1
        height = round(min(22.0, 5 + 3 * float(tokens or 0) ** 0.5), 1) if many else 0
        x = round(600 * (at or 0) / longest, 1)
        shown = many and x - told >= _COUNT_GAP
        told = x if shown else told
        marks.append({"x": x, "height": height, "count": tokens if shown else None})
    return marks
