"""Charts as SVG files beside the report. The tables stay the truth; a chart that has no data is left out.

Each mode keeps its colour and dash in every chart. A chart paints its own ground, light or dark as the reader's system
asks, so that it reads on any page. The same figures give the same bytes.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from evalkit.report.document.model import Report
from evalkit.report.document.model.modes import Level, Mode, SpeedUp
from evalkit.report.words import dots, view
from evalkit.report.words.tables import frontier
from evalkit.text import one_line

TITLES = {
    "speedup": "Speed-up by concurrency, with intervals (1 is the baseline)",
    "prompts": dots.TITLE,
    "latency": "End-to-end latency: share of replies that took no longer",
    "frontier": "Latency against quality (left is faster, up is better)",
    "load": "Latency against rate, with the service level and the capacity of each mode",
    "lengths": "Length of replies, achieved against asked (medians)",
    "context": "Context probe, share of planted facts that came back",
}
#: colour in light and dark, dash: modes are distinguished without colour as well
_LOOKS = (
    ("#1f6fb5", "#6cb6ff", ""),
    ("#b45309", "#f5a742", "8,4"),
    ("#1a7f4b", "#57d08d", "2,3"),
    ("#8b3fc0", "#cf9bff", "10,3,2,3"),
    ("#b42b3a", "#ff8f96", "5,5"),
    ("#5a6772", "#b4bfc9", "1,4"),
)
_RULE = ("#7a858f", "#8b97a2", "4,4")
_STYLE = (
    "* { transition: none !important } "
    ".graph > .background, .plot .background { fill: #ffffff } text { fill: #1f262d !important; opacity: 1 } "
    ".ci path { stroke: #1f262d; stroke-opacity: 1; stroke-width: 1.5; stroke-dasharray: none } "
    ".series .line { stroke-width: 2.5; stroke-opacity: 1 } "
    "@media (prefers-color-scheme: dark) { .graph > .background, .plot .background { fill: #14181c } "
    "text { fill: #e6eaee !important } .axis > .line, .axis > path { stroke: #8b97a2 } "
    ".axis .line, .axis .major.line { stroke: #5b6670 } "
    ".ci path { stroke: #e6eaee } .axis .guide.line, .axis .major.guide.line { stroke: #333c45 } %s }"
)
_SCRIPTS = re.compile(r"<script\b.*?</script>|<script\b[^>]*/>|<!--.*?-->", re.DOTALL)


class _Series(NamedTuple):
    """One line or cloud of a chart: points are (x, y) or what pygal takes for one."""

    name: str
    points: list[Any]
    look: tuple[str, str, str]
    options: dict[str, Any] = {}  # noqa: RUF012  never changed


def draw(doc: Report) -> dict[str, str]:
    """SVG text by name, for those charts that the document has figures for."""
    makers = {
        "speedup": _speedup,
        "prompts": dots.drawing,
        "latency": _latency,
        "load": load,
        "frontier": _frontier,
        "lengths": _lengths,
        "context": _context,
    }
    drawn = {name: make(doc) for name, make in makers.items()}
    return {name: text for name, text in drawn.items() if text is not None}


def _plot(name: str, series: list[_Series], kind: str = "XY", **options: Any) -> str | None:
    """The SVG of a chart, or None when nothing is to be drawn."""
    if not any(s.points for s in series):
        return None
    import pygal
    from pygal.etree import etree
    from pygal.style import Style

    etree.to_etree()  # the writer of the standard library, whatever is installed: the same bytes everywhere
    style = Style(
        background="transparent",
        plot_background="transparent",
        colors=tuple(s.look[0] for s in series),
        font_family="sans-serif",
        title_font_size=17,
        label_font_size=12,
        major_label_font_size=12,
        legend_font_size=13,
        value_label_font_size=13,
        guide_stroke_color="#d5dbe0",
        major_guide_stroke_color="#d5dbe0",
        guide_stroke_dasharray="none",
        major_guide_stroke_dasharray="none",
        opacity=".95",
    )
    columns = len(series) if len(series) <= 4 else 3
    chart = getattr(pygal, kind)(
        title=TITLES[name],
        style=style,
        js=(),
        no_prefix=True,
        width=800,
        height=420,
        legend_at_bottom=True,
        legend_at_bottom_columns=columns,
        margin_bottom=20 + 20 * (len(series) % columns > 0),
        show_x_guides=False,
        disable_xml_declaration=True,
        explicit_size=True,
        dots_size=4,
        truncate_legend=-1,
        truncate_label=-1,
        **options,
    )
    for s in series:
        chart.add(one_line(s.name, limit=60), s.points, stroke_style={"width": 2, "dasharray": s.look[2]}, **s.options)
    try:
        svg = chart.render(is_unicode=True)
    except (ArithmeticError, ValueError):
        return None  # figures so large that a scale has no width: no machine measured them
    return _finish(svg, [s.look[1] for s in series])


def _finish(svg: str, dark: list[str]) -> str:
    """Plain SVG: no script, no comment, nothing that differs between two drawings of the same figures."""
    colours = " ".join(
        f".color-{n} {{ stroke: {c}; fill: {c} }} .color-{n} a:visited {{ stroke: {c}; fill: {c} }}"
        for n, c in enumerate(dark)
    )
    return _SCRIPTS.sub("", svg).replace("</style>", f"{_STYLE % colours}</style>", 1)


def _looks(doc: Report) -> dict[str, tuple[str, str, str]]:
    """Colour and dash by mode, in configured order, the incumbent last."""
    names = [m["mode"] for m in doc["modes"]] + (["incumbent"] if doc.get("incumbent") else [])
    return {name: _LOOKS[n % len(_LOOKS)] for n, name in enumerate(names)}


def _rule(name: str, points: list[Any]) -> _Series:
    """A line to compare with: the baseline, or what was asked."""
    return _Series(name, points, _RULE, {"show_dots": False})


def _speedup(doc: Report) -> str | None:
    levels = sorted({lv["concurrency"] for m in doc["modes"] for lv in m["levels"] if lv.get("speedup")})
    if len(levels) < 2:  # the dots of the prompts show the interval at one load
        return None
    looks, highest, series = _looks(doc), 1.0, []
    rows = {m["mode"]: {lv["concurrency"]: lv["speedup"] for lv in m["levels"]} for m in doc["modes"]}
    named = {name: row for name, row in rows.items() if any(view.ratio_of(s) for s in row.values())}
    # a slot for each mode at each load, so that intervals stand side by side
    names = list(named)
    row_of_slots = [None, *names[: len(names) // 2], None, *names[len(names) // 2 :], None]
    if len(names) % 2:
        row_of_slots = [None, *names, None]
    slots = [(level, name) for level in levels for name in row_of_slots]
    for name, row in named.items():
        points = [_with_interval(row.get(level)) if slot == name else None for level, slot in slots]
        highest = max(highest, *((s["high"] or s["ratio"] or 0.0) for s in row.values() if s))
        series.append(_Series(name, points, looks[name]))
    series.append(_rule(f"{doc['baseline']['speed']} (baseline)", [1] * len(slots)))
    middle = len(row_of_slots) // 2
    labels = [str(level) if n % len(row_of_slots) == middle else "" for n, (level, _) in enumerate(slots)]
    return _plot(
        "speedup",
        series,
        "Line",
        x_labels=labels,
        x_title="concurrency",
        y_title="times as fast",
        range=(0, round(highest * 1.08 + 0.05, 1)),
    )


def _with_interval(speed: SpeedUp | None) -> Any:
    if not speed or speed.get("ratio") is None:
        return None
    if speed.get("low") is None or speed.get("high") is None:
        return speed["ratio"]
    return {"value": speed["ratio"], "ci": {"low": speed["low"], "high": speed["high"]}}


def _decided(doc: Report) -> list[tuple[Mode, Level]]:
    """(mode, level) at the concurrency where the modes are decided."""
    return [(m, lv) for m, lv in view.levels(doc) if lv.get("concurrency") == doc["decided_at_concurrency"]]


def _latency(doc: Report) -> str | None:
    looks, series = _looks(doc), []
    for entry, level in _decided(doc):
        values = (level.get("distribution") or {}).get("e2e_ms") or []
        if len(values) > 1:
            last = len(values) - 1
            points = [(value, 100 * i / last) for i, value in enumerate(values)]
            series.append(_Series(entry["mode"], points, looks[entry["mode"]], {"show_dots": False}))
    at_once = f"ms, concurrency {doc['decided_at_concurrency']}"
    return _plot(
        "latency", series, x_title=at_once, y_title="% of answers", range=(0, 100), y_labels=list(range(0, 101, 20))
    )


#: limits of the service level beyond which a latency is not drawn: one such point would flatten all others
_BEYOND = 3


def load(doc: Report) -> str | None:
    """The percentile that the service level asks for, at each rate that was tried; capacities lie on its limit."""
    looks, series = _looks(doc), list[_Series]()
    entries = [m for m in [*doc["modes"], doc.get("incumbent")] if m and m.get("capacity")]
    if not entries:
        return None
    slo = (entries[0].get("capacity") or {})["slo"]
    metric = "e2e_ms" if slo.get("e2e_ms") else "ttft_ms"
    limit, share = slo.get(metric), slo["share"]
    percentile = "p99" if share > 0.95 else "p95" if share > 0.9 else "p90" if share > 0.5 else "p50"
    widest = 0.0
    for entry in entries:
        one, look = entry.get("capacity") or {}, looks[entry["mode"]]
        tried = [(p["rate"], p[metric][percentile]) for p in one["curve"] if p[metric][percentile] is not None]
        points = [(rate, value) for rate, value in tried if not limit or value <= _BEYOND * limit]
        series.append(_Series(entry["mode"], sorted(points), look))
        widest = max(widest, *(x for x, _ in points), one["high"] or 0.0) if points else widest
        if limit and one["low"] is not None and one["high"] is not None:
            span = [(one["low"], limit), (one["high"], limit)]
            series.append(_Series(f"{entry['mode']}, capacity", span, look, {"dots_size": 6}))
    if limit:
        series.append(_rule(f"service level, {limit:g} ms", [(0, limit), (widest, limit)]))
    name = "end-to-end latency" if metric == "e2e_ms" else "TTFT"
    top: dict[str, Any] = {"range": (0, _BEYOND * limit)} if limit else {}
    return _plot("load", series, x_title="requests a second", y_title=f"{name}, {percentile} in ms", **top)


def _frontier(doc: Report) -> str | None:
    points, looks = frontier(doc), _looks(doc)
    if len(points) < 2:
        return None
    series = []
    for p in points:
        dot = {"value": (p.e2e_ms, 100 * p.share), "label": one_line(p.mode, limit=60)}
        series.append(
            _Series(
                f"{p.mode}, dominated" if p.dominated_by else p.mode,
                [dot],
                looks.get(p.mode, _RULE),
                {"stroke": False, "dots_size": 6},
            )
        )
    low = max(0, 10 * int(10 * min(p.share for p in points) - 0.5))
    fastest, slowest = min(p.e2e_ms for p in points), max(p.e2e_ms for p in points)
    return _plot(
        "frontier",
        series,
        x_title=f"end-to-end latency, mean in ms, concurrency {doc['decided_at_concurrency']}",
        y_title="% of cases passed",
        range=(low, 104),
        y_labels=list(range(low, 101, 10 if low < 60 else 5)),
        xrange=(0, slowest * 1.35 + fastest * 0.05),
        print_labels=True,
    )


def _lengths(doc: Report) -> str | None:
    looks, series, most = _looks(doc), [], 0.0
    rows = doc.get("lengths") or []
    for name in dict.fromkeys(r["mode"] for r in rows):
        mine = [(r["asked"], r["median"]) for r in rows if r["mode"] == name]
        most = max(most, *(max(p) for p in mine))
        series.append(_Series(name, sorted(mine), looks.get(name, _RULE)))
    if not series:
        return None
    series.append(_rule("as asked", [(0, 0), (most, most)]))
    unit = next((r["unit"] for r in rows if r.get("unit")), "units")
    return _plot("lengths", series, x_title=f"{unit} asked", y_title=f"{unit} achieved", range=(0, most * 1.05))


def _context(doc: Report) -> str | None:
    looks, series = _looks(doc), []
    for probe in doc.get("context_probes") or []:
        points = []
        for step in probe["steps"]:
            came_back = list((step.get("recalled") or {}).values())
            if came_back or not step["ok"]:
                share = 100 * sum(came_back) / len(came_back) if came_back and step["ok"] else 0.0
                points.append((step["asked_tokens"], share))
        if points:
            series.append(_Series(probe["mode"], points, looks.get(probe["mode"], _RULE)))
    return _plot(
        "context",
        series,
        x_title="tokens sent",
        y_title="% came back",
        range=(0, 104),
        y_labels=list(range(0, 101, 20)),
    )
