"""Further tables of the report: how evenly a mode gains, length asked and achieved, what the vendor says.

Plain text from the document; each renderer quotes it its own way. At most seven columns, units in the head.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from evalkit.report import fmt, view
from evalkit.report.view import Document, Row
from evalkit.text import one_line

Table = tuple[tuple[str, ...], list[Row]]


def spread_table(doc: Document) -> Table:
    """How evenly the speed-up falls: a mean can hide prompts that became slower."""
    head = ("Mode", "At once", "Pairs, n", "Prompts slower", "Slowest tenth, times as fast", "By tag, times as fast")
    rows = []
    for entry, level in view.levels(doc):
        speed = level.get("speedup")
        if not speed or speed.get("slower_share") is None:
            continue
        tags = ", ".join(f"{tag} {fmt.ratio(value)}" for tag, value in sorted((speed.get("by_tag") or {}).items()))
        rows.append(
            Row(
                (
                    entry["mode"],
                    str(level["concurrency"]),
                    str(speed.get("pairs", fmt.NOTHING)),
                    fmt.share(speed["slower_share"]),
                    fmt.ratio(speed.get("worst_decile")),
                    tags or fmt.NOTHING,
                )
            )
        )
    return head, rows


def worth_table(doc: Document) -> Table:
    """Energy and money, where devices were watched and a price was given."""
    head = (
        "Mode",
        "At once",
        "Energy, J for 1,000 output tokens",
        "USD for 1,000 requests",
        "USD for 1,000 right answers",
    )
    costs = {f.get("mode"): f.get("data") or {} for f in view.item(doc, "modes")["findings"] if f["id"] == "modes.cost"}
    rows = []
    for entry, level in view.levels(doc):
        decided = level.get("concurrency") == doc["decided_at_concurrency"]
        cost, energy = costs.get(entry["mode"], {}) if decided else {}, level.get("energy_j_per_1000_tokens")
        if not cost and energy is None:
            continue
        rows.append(
            Row(
                (
                    entry["mode"],
                    str(level["concurrency"]),
                    fmt.number(energy),
                    fmt.number(cost.get("usd_per_1000")),
                    fmt.number(cost.get("usd_per_1000_correct")),
                )
            )
        )
    return head, rows


def variants_table(doc: Document) -> Table:
    """The candidate and its other variants side by side: terms, size, fit, context. Empty without variants."""
    head = (
        "Model", "License", "Commercial, changed, passed on", "Weights, GiB", "Need, GiB", "Longest that fits, tokens",
        "Window (trained), tokens",
    )  # fmt: skip
    found = [finding for item in doc["items"] for finding in item["findings"]]
    names = list(dict.fromkeys(f["variant"] for f in found if f.get("variant")))
    if not names:
        return head, []
    return head, [Row(_variant_cells(name, found)) for name in (None, *names)]


#: by what is told: findings of the candidate, and of another variant
_TOLD_BY = {
    "license": ("license.identified", "license.variant-use"),
    "fit": ("hardware.fits", "hardware.variants"),
    "window": ("context.window", "context.variants"),
    "trained": ("context.trained-length", "context.variants"),
}


def _variant_cells(name: str | None, found: list[dict[str, Any]]) -> tuple[str, ...]:
    def told(what: str) -> dict[str, Any]:
        wanted = _TOLD_BY[what][0 if name is None else 1]
        return next((f.get("data") or {} for f in found if f["id"] == wanted and f.get("variant") == name), {})

    terms, fit = told("license"), told("fit")
    window, trained = told("window").get("window"), told("trained").get("trained")
    need = fmt.NOTHING
    if fit.get("need_gib") is not None:
        need = f"{fmt.number(fit['need_gib'])} ({fit['precision']}): {'fits' if fit['fits'] else 'does not fit'}"
    return (
        one_line(name or "the candidate", limit=100), one_line(str(terms.get("license") or "not known"), limit=100),
        ", ".join(str(terms.get(facet, "unknown")) for facet in ("commercial", "modify", "redistribute")),
        fmt.number(fit.get("weights_gib")), need, fmt.number(fit.get("max_context_tokens")),
        f"{fmt.number(window)} ({fmt.number(trained)})",
    )  # fmt: skip


def table_ages(doc: Document) -> str:
    """The packaged tables that the decision used, with their age at the time of the run."""
    from evalkit.data import table_ages as ages

    return ages(date.fromisoformat(str(doc["started_at"])[:10]))


def vendor_table(doc: Document) -> Table:
    """Claims of a kind that this run measured, each beside our figure, with what differs."""
    head = ("Vendor says", "Vendor's figure", "Under", "Measured here", "What differs", "Source")
    return head, [_vendor_row(row) for row in doc["vendor_claims"] if _speaks_of_speed(row)]


def vendor_rest(doc: Document) -> int:
    """How many further claims report.json lists: accuracy on public benchmarks, which no run of evalkit measures."""
    return sum(not _speaks_of_speed(row) for row in doc["vendor_claims"])


def _speaks_of_speed(row: dict[str, Any]) -> bool:
    return not str(row.get("unit") or "").startswith("percent")


def _vendor_row(row: dict[str, Any]) -> Row:
    measured, value = row.get("measured"), row.get("value")
    here = "not measured"
    if isinstance(measured, dict) and measured.get("value") is not None:
        here = f"{fmt.number(measured['value'])} {measured.get('unit') or ''} ({measured.get('mode')})"
    figure = fmt.number(value) if isinstance(value, (int, float)) else str(value or "")
    return Row(
        (
            str(row.get("claim") or ""),
            f"{figure} {row.get('unit') or ''}".strip() or fmt.NOTHING,
            str(row.get("conditions") or fmt.NOTHING),
            here,
            "; ".join(row.get("differs") or ()) or fmt.NOTHING,
            " ".join(str(part) for part in (row.get("source"), row.get("date")) if part) or fmt.NOTHING,
        )
    )
