"""Charts as SVG files beside the report. The tables stay the truth; a chart that has no data is left out."""

from __future__ import annotations

import re
from typing import Any

from evalkit.report import view

TITLES = {
    "speedup": "Speed-up by requests at once, with intervals (1 is the baseline)",
    "latency": "Whole-answer latency in ms, share of answers that took no longer",
    "frontier": "Latency against quality: left is faster, up is better",
}
_DARK = (
    "@media (prefers-color-scheme: dark) "
    "{ text { fill: #e6eaee !important } .axis .line, .guides { stroke: #5b6670 } .ci, .ci line { stroke: #e6eaee } }"
)
_SCRIPTS = re.compile(r"<script\b.*?</script>|<script\b[^>]*/>", re.DOTALL)
_COLOURS = ("#3b82c4", "#d97706", "#2f9e62", "#a855c7", "#dc5a5a", "#6b7f8f")


def draw(doc: dict[str, Any]) -> dict[str, str]:
    """SVG text by name, for those charts that the document has figures for."""
    drawn = {"speedup": _speedup(doc), "latency": _latency(doc), "frontier": _frontier(doc)}
    return {name: _finish(chart) for name, chart in drawn.items() if chart is not None}


def _finish(chart: Any) -> str:
    """Plain SVG: no script, nothing that differs between two drawings of the same figures."""
    text = _SCRIPTS.sub("", chart.render(is_unicode=True))
    return text.replace("</style>", f"{_DARK}</style>", 1)


def _options(name: str) -> dict[str, Any]:
    from pygal.style import Style

    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="#4d5761",
        foreground_strong="#2d353c",
        foreground_subtle="#9aa5af",
        colors=_COLOURS,
        font_family="sans-serif",
    )
    return {
        "title": TITLES[name],
        "style": style,
        "js": (),
        "no_prefix": True,
        "width": 800,
        "height": 400,
        "legend_at_bottom": True,
        "show_x_guides": False,
        "disable_xml_declaration": True,
        "explicit_size": True,
    }


def _speedup(doc: dict[str, Any]) -> Any:
    import pygal

    levels = sorted({lv["concurrency"] for m in doc["modes"] for lv in m["levels"] if lv.get("speedup")})
    if not levels:
        return None
    chart = pygal.Bar(**_options("speedup"))
    chart.x_labels = [str(n) for n in levels]
    for entry in doc["modes"]:
        found = {lv["concurrency"]: lv["speedup"] for lv in entry["levels"] if lv.get("speedup")}
        if found:
            chart.add(entry["mode"], [_with_interval(found.get(n)) for n in levels])
    return chart


def _with_interval(speed: dict[str, Any] | None) -> Any:
    if not speed or speed.get("ratio") is None:
        return None
    if speed.get("low") is None or speed.get("high") is None:
        return speed["ratio"]
    return {"value": speed["ratio"], "ci": {"low": speed["low"], "high": speed["high"]}}


def _latency(doc: dict[str, Any]) -> Any:
    import pygal

    chart = pygal.XY(**_options("latency"), show_dots=False)
    drawn = False
    for entry, level in view.levels(doc):
        values = (level.get("distribution") or {}).get("e2e_ms") or []
        if level.get("concurrency") == doc["decided_at_concurrency"] and len(values) > 1:
            last = len(values) - 1
            chart.add(entry["mode"], [(value, i / last) for i, value in enumerate(values)])
            drawn = True
    return chart if drawn else None


def _frontier(doc: dict[str, Any]) -> Any:
    import pygal

    shares: dict[str, list[float]] = {}
    for row in doc["quality"]["suites"]:
        if row.get("share") is not None:
            shares.setdefault(row["mode"], []).append(row["share"])
    chart = pygal.XY(**_options("frontier"), stroke=False, dots_size=6, range=(0, 1))
    drawn = False
    for entry, level in view.levels(doc):
        middle = (level.get("e2e_ms") or {}).get("p50")
        mine = shares.get(entry["mode"])
        if level.get("concurrency") == doc["decided_at_concurrency"] and middle is not None and mine:
            chart.add(entry["mode"], [(middle, sum(mine) / len(mine))])
            drawn = True
    return chart if drawn else None
