"""The speed-up of every prompt as dots, a lane a mode: who gains, who loses. Plain SVG, as a file and inside a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from evalkit import fmt
from evalkit.report.document.model import Report
from evalkit.report.words import view
from evalkit.report.words.cases import gaining
from evalkit.text import one_line

#: ratio -> x
Place = Callable[[float], float]

TITLE = "Speed-up of every prompt (left of 1× is slower than the baseline)"
_WIDTH, _LEFT, _RIGHT, _TOP, _LANE = 800, 24, 24, 34, 92
_BIN, _RADIUS = 7.0, 3.0
#: beyond so many dots a lane is a smear: the ends are kept, the middle is thinned
_MOST, _ENDS = 400, 80
#: most wanted first: one is left out where it would overlap another
_TICKS = (1.0, 2.0, 0.5, 10.0, 0.1, 0.01, 0.001, 3.0, 5.0, 20.0, 0.2, 0.05, 1.5, 0.7, 0.3, 7.0, 50.0, 1.2, 0.8)
_TICK_GAP = 52.0
_STYLE = (
    "<style>text{font:13px sans-serif;fill:#1f262d;paint-order:stroke;stroke:#fff;stroke-width:4px}"
    ".ground{fill:#fff}.tick{stroke:#d5dbe0}.one{stroke:#4d5761;"
    "stroke-dasharray:4,3}.dot{fill:#1f6fb5;fill-opacity:.75}.slow{fill:#fff;stroke:#a3161b;stroke-width:1.8}"
    ".mean{stroke:#1f262d;stroke-width:3}.middle{fill:#1f262d}"
    "@media (prefers-color-scheme: dark){text{fill:#e6eaee;stroke:#14181c}.ground{fill:#14181c}.tick{stroke:#333c45}"
    ".one{stroke:#aab4bd}.dot{fill:#6cb6ff}.slow{fill:#14181c;stroke:#ff8b87}.mean{stroke:#e6eaee}"
    ".middle{fill:#e6eaee}}</style>"
)


def drawing(doc: Report) -> str | None:
    """A file of its own; None where no prompt has a speed-up."""
    found = _inside(doc, {})
    if found is None:
        return None
    inner, height = found
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{_STYLE}<title>{TITLE}</title>{inner}</svg>'


def inline(doc: Report, links: Mapping[str, str]) -> str:
    """For a page, whose style sheet dresses it; `links`: fragment by prompt. Empty where there is nothing to draw."""
    found = _inside(doc, links)
    if found is None:
        return ""
    inner, height = found
    return f'<svg class="dots" viewBox="0 0 {_WIDTH} {height}" role="group" aria-label="{TITLE}">{inner}</svg>'


def _inside(doc: Report, links: Mapping[str, str]) -> tuple[str, int] | None:
    modes = gaining(doc)
    lanes = {
        mode: [(row["prompt_id"], row["speedup"][mode]) for row in doc.get("prompts") or () if mode in row["speedup"]]
        for mode in modes
    }
    every = [ratio for lane in lanes.values() for _, ratio in lane if ratio > 0]
    if not every:
        return None
    low, high = math.log(min(0.9, *every) * 0.95), math.log(max(1.1, *every) * 1.05)

    def x(ratio: float) -> float:
        at = (math.log(max(ratio, 1e-6)) - low) / (high - low)
        return round(_LEFT + max(0.0, min(1.0, at)) * (_WIDTH - _LEFT - _RIGHT), 1)

    height = _TOP + _LANE * len(lanes) + 26
    parts = [f'<rect class="ground" width="{_WIDTH}" height="{height}"/>', *_axis(x, low, high, height)]
    entries = {entry["mode"]: entry for entry in doc["modes"]}
    for n, (mode, lane) in enumerate(lanes.items()):
        top = _TOP + n * _LANE
        speed = entries[mode]["speedup"] if mode in entries else None
        parts.append(f'<text x="{_LEFT}" y="{top}">{escape(_label(mode, [ratio for _, ratio in lane]))}</text>')
        if speed and speed["ratio"] and speed["low"] and speed["high"]:
            y, middle = top + 68, x(speed["ratio"])
            said, bar = f"{mode}: {view.speedup(speed)}", f"M{x(speed['low'])} {y}H{x(speed['high'])}"
            parts.append(
                f'<g><title>{escape(one_line(said))}</title><path class="mean" d="{bar}"/>'
                f'<circle class="middle" cx="{middle}" cy="{y}" r="4.5"/></g>'
            )
        parts += [_dot(one, x, top + 34, links) for one in _stacked(lane, x)]
    return "".join(parts), height


def _label(mode: str, ratios: Sequence[float]) -> str:
    slower = sum(ratio < 1 for ratio in ratios)
    thin = f", {_MOST} drawn" if len(ratios) > _MOST else ""
    return one_line(f"{mode}: slower on {slower} of {fmt.plural(len(ratios), 'prompt')}{thin}", limit=110)


def _axis(place: Place, low: float, high: float, height: int) -> list[str]:
    parts: list[str] = []
    taken: list[float] = []
    for tick in _TICKS:
        at = place(tick)
        if low <= math.log(tick) <= high and all(abs(at - other) >= _TICK_GAP for other in taken):
            taken.append(at)
            parts.append(f'<path class="{"one" if tick == 1 else "tick"}" d="M{at} {_TOP - 8}V{height - 22}"/>')
            parts.append(f'<text x="{at}" y="{height - 6}" text-anchor="middle">{fmt.threshold(tick)}</text>')
    return parts


def _stacked(lane: Sequence[tuple[str, float]], place: Place) -> list[tuple[str, float, float]]:
    """(prompt, ratio, offset from the middle of the lane): dots of one place lie above and below each other."""
    kept = sorted(lane, key=lambda one: one[1])
    if len(kept) > _MOST:
        inner, room = kept[_ENDS:-_ENDS], _MOST - 2 * _ENDS
        kept = [*kept[:_ENDS], *(inner[n * len(inner) // room] for n in range(room)), *kept[-_ENDS:]]
    bins: dict[int, list[tuple[str, float]]] = {}
    for prompt, ratio in kept:
        bins.setdefault(int(place(ratio) // _BIN), []).append((prompt, ratio))
    found = []
    for group in bins.values():
        step = min(_BIN, 48 / len(group))
        found += [(*one, (n + 1) // 2 * step * (1 if n % 2 else -1)) for n, one in enumerate(group)]
    return found


def _dot(one: tuple[str, float, float], place: Place, middle: float, links: Mapping[str, str]) -> str:
    prompt, ratio, offset = one
    said = escape(one_line(f"{prompt}: {fmt.ratio(ratio)}", limit=160))
    radius = 1.5 * _RADIUS if prompt in links else _RADIUS
    where = f'cx="{place(ratio)}" cy="{round(middle + offset, 1)}" r="{radius}"'
    dot = f'<circle class="{"slow" if ratio < 1 else "dot"}" {where}><title>{said}</title></circle>'
    return f"<a href={quoteattr('#' + links[prompt])}>{dot}</a>" if prompt in links else dot
