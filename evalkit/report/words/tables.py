"""Tables of the report: the speed of the modes, how they hand out tokens, how evenly they gain, what the vendor says.

Plain text from the document; each renderer quotes it its own way. At most seven columns, units in the head.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from evalkit import fmt
from evalkit.analysis.frontier import Point
from evalkit.items.context import checks as context_checks
from evalkit.items.hardware import checks as hardware_checks
from evalkit.items.license import checks as license_checks
from evalkit.items.modes.traffic_checks import TRAFFIC_CHECKS
from evalkit.report.document.model import Report
from evalkit.report.document.model.findings import FindingPart
from evalkit.report.document.model.modes import Mode, Percentiles
from evalkit.report.document.model.origin import VendorClaim
from evalkit.report.words import load_tables, view
from evalkit.report.words.load_tables import Row, Table
from evalkit.text import one_line

#: of modules of their own
load_table, capacity_table, slo_of = load_tables.load_table, load_tables.capacity_table, load_tables.slo_of
sweep_rows, sweep_line = load_tables.sweep_table, load_tables.sweep_line


def timing_table(doc: Report) -> Table:
    """The speed of each mode at each load, with intervals and n."""
    head = (
        "Mode",
        "Concurrency",
        "n (failed)",
        "Speed-up (interval)",
        "TTFT, ms p50 / p95",
        "E2E latency, ms p50 / p95",
        "Tokens/s per request / all",
    )
    rows = []
    for entry, level in view.levels(doc):
        rate = level.get("output_tokens_per_second") or {}
        rows.append(
            (
                f"{entry['mode']} ({label})" if (label := entry.get("timing_label")) else entry["mode"],
                str(level.get("concurrency", fmt.NOTHING)),
                f"{level.get('requests', 0)} ({level.get('failed', 0)})",
                "baseline" if entry["mode"] == doc["baseline"]["speed"] else view.speedup(level.get("speedup")),
                _pair(level.get("ttft_ms")),
                _pair(level.get("e2e_ms")),
                f"{fmt.number(_value(rate.get('request')))} / {fmt.number(_value(rate.get('system')))}",
            )
        )
    return head, rows


def _value(value: Any) -> float | None:
    """A plain figure, or the middle of `{p50: …}` or `{value: …}`."""
    if isinstance(value, dict):
        for key in ("p50", "median", "value", "mean"):
            if isinstance(value.get(key), (int, float)):
                return float(value[key])
        return None
    return float(value) if isinstance(value, (int, float)) else None


def _pair(quantiles: Percentiles | None) -> str:
    if not quantiles:
        return fmt.NOTHING
    return f"{fmt.number(_value(quantiles.get('p50')))} / {fmt.number(_value(quantiles.get('p95')))}"


def blocks_table(doc: Report) -> Table:
    """How each mode hands out its tokens: what makes a mode a mode."""
    head = (
        "Mode",
        "Declared",
        "Observed",
        "Engine",
        "Tokens per chunk, mean (p50)",
        "Tokens per forward pass",
        "Qualifies",
    )
    entries = view.with_incumbent(doc)
    rows = []
    for entry in entries:
        level = next(iter(entry["levels"]), None)
        forward = level["tokens_per_forward"] if level else None
        engine = " ".join(str(x) for x in (entry.get("engine"), entry.get("engine_version")) if x)
        rows.append(
            (
                entry["mode"],
                entry.get("declared_mode") or "not said",
                entry.get("observed_mode") or "not seen",
                engine or "unknown",
                _chunk(level["tokens_per_chunk"] if level else {}),
                fmt.number(forward["value"] if forward else None),
                "incumbent" if entry is doc.get("incumbent") else _qualifies(doc, entry),
            )
        )
    return head, rows


def _chunk(sizes: dict[str, Any]) -> str:
    """Mean and median: a mode that often accepts no draft has a median of one token although it gains."""
    return f"{fmt.number(sizes['mean'])} ({fmt.number(sizes.get('p50'))})" if sizes.get("mean") else fmt.NOTHING


def _qualifies(doc: Report, entry: Mode) -> str:
    """What became of a mode; of one that is not up for adoption, that too."""
    word = view.status(entry.get("qualified", "inconclusive"))
    if entry.get("adopted"):
        return word
    return f"{word}, {'baseline' if entry['mode'] == doc['baseline']['speed'] else 'not to be adopted'}"


def spread_table(doc: Report) -> Table:
    """How evenly the speed-up falls: a mean can hide prompts that became slower."""
    head = ("Mode", "Concurrency", "Pairs, n", "Prompts slower", "Slowest 10%", "By tag")
    rows = []
    for entry, level in view.levels(doc):
        speed = level.get("speedup")
        if not speed or speed.get("slower_share") is None:
            continue
        tags = ", ".join(f"{tag} {fmt.ratio(value)}" for tag, value in sorted((speed.get("by_tag") or {}).items()))
        rows.append(
            (
                entry["mode"],
                str(level["concurrency"]),
                str(speed.get("pairs", fmt.NOTHING)),
                fmt.share(speed["slower_share"]),
                fmt.ratio(speed.get("worst_decile")),
                tags or fmt.NOTHING,
            )
        )
    return head, rows


def energy_table(doc: Report) -> Table:
    """Energy, where devices were watched."""
    head = ("Mode", "Concurrency", "Energy, J for 1,000 output tokens")
    rows = []
    for entry, level in view.levels(doc):
        energy = level.get("energy_j_per_1000_tokens")
        if energy is not None:
            rows.append((entry["mode"], str(level["concurrency"]), fmt.number(energy)))
    return head, rows


def variants_table(doc: Report) -> Table:
    """The candidate and its other variants side by side: terms, size, fit, context. Empty without variants."""
    head = (
        "Model", "License", "Commercial, changed, passed on", "Weights, GiB", "Need, GiB", "Longest that fits, tokens",
        "Window (trained), tokens",
    )  # fmt: skip
    found = [finding for item in doc["items"] for finding in item["findings"]]
    names = list(dict.fromkeys(f["variant"] for f in found if f.get("variant")))
    if not names:
        return head, []
    return head, [_variant_cells(name, found) for name in (None, *names)]


#: by subject: findings of the candidate, and of another variant
_TOLD_BY = {
    "license": (license_checks.IDENTIFIED.id, license_checks.VARIANTS.id),
    "fit": (hardware_checks.FITS.id, hardware_checks.VARIANTS.id),
    "window": (context_checks.WINDOW.id, context_checks.VARIANTS.id),
    "trained": (context_checks.TRAINED.id, context_checks.VARIANTS.id),
}


def _variant_cells(name: str | None, found: list[FindingPart]) -> tuple[str, ...]:
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


def table_ages(doc: Report) -> str:
    """The packaged tables that the decision used, with their age at the time of the run."""
    from evalkit.data import table_ages as ages

    try:
        today = date.fromisoformat(str(doc["started_at"])[:10])
    except ValueError:  # a run that somebody else wrote
        today = date.min
    return ages(today)


def vendor_table(doc: Report) -> Table:
    """Claims of a kind that this run measured, each beside our figure, with what differs."""
    head = ("Vendor says", "Vendor's figure", "Under", "Measured here", "What differs", "Source")
    return head, [_vendor_row(row) for row in doc["vendor_claims"] if _speaks_of_speed(row)]


def vendor_rest(doc: Report) -> int:
    """How many further claims report.json lists: accuracy on public benchmarks, which no run of evalkit measures."""
    return sum(not _speaks_of_speed(row) for row in doc["vendor_claims"])


def _speaks_of_speed(row: VendorClaim) -> bool:
    return not str(row.get("unit") or "").startswith("percent")


def _vendor_row(row: VendorClaim) -> Row:
    measured, value = row.get("measured"), row.get("value")
    differs: Any = row.get("differs")
    here = "not measured"
    if isinstance(measured, dict) and measured.get("value") is not None:
        here = f"{fmt.number(measured['value'])} {measured.get('unit') or ''} ({measured.get('mode')})"
    figure = fmt.number(value) if isinstance(value, (int, float)) else str(value or "")
    return (
        str(row.get("claim") or ""),
        f"{figure} {row.get('unit') or ''}".strip() or fmt.NOTHING,
        str(row.get("conditions") or fmt.NOTHING),
        here,
        "; ".join(differs or ()) or fmt.NOTHING,
        " ".join(str(part) for part in (row.get("source"), row.get("date")) if part) or fmt.NOTHING,
    )


def frontier(doc: Report) -> list[Point]:
    """The points of the document (of evalkit.analysis.frontier): on the prompts and cases common to all modes."""
    points: list[dict[str, Any]] = [dict(p) for p in doc.get("frontier", [])]
    return [Point(**{**p, "dominated_by": tuple(p["dominated_by"]), "surely": tuple(p["surely"])}) for p in points]


def frontier_table(doc: Report) -> Table:
    """Latency beside quality, and what is dominated: by the figures, or beyond chance."""
    head = ("Mode", "E2E latency, ms, mean", "Cases passed (95% interval)", "Cases, n", "Dominated by")
    points = frontier(doc)
    rows = []
    for p in points:
        how = "beyond chance" if p.surely else "by the figures, within chance"
        word = f"{', '.join(p.dominated_by)} ({how})" if p.dominated_by else "none: on the frontier"
        share = f"{fmt.share(p.share)} ({fmt.share(p.low)} to {fmt.share(p.high)})"
        rows.append((p.mode, fmt.number(p.e2e_ms), share, str(p.cases), word))
    return head, rows if len(points) > 1 else []


def crossover_lines(doc: Report) -> list[str]:
    """For each mode timed at several loads: from where on it is no longer faster, that it never is, or stays so."""
    lines = []
    for entry in doc["modes"]:
        loads = sorted(lv["concurrency"] for lv in entry["levels"] if lv.get("speedup"))
        if len(loads) < 2:
            continue
        at = entry.get("crossover")
        slower = [lv for lv in entry["levels"] if (speed := lv["speedup"]) and (speed["ratio"] or 0) <= 1]
        if len(slower) == len(loads):
            loaded = ", ".join(map(str, loads))
            lines.append(
                f"{entry['mode']}: not faster than {doc['baseline']['speed']} at any concurrency timed ({loaded})."
            )
        elif at is None:
            lines.append(f"{entry['mode']}: faster than {doc['baseline']['speed']} up to concurrency {loads[-1]}.")
        else:
            lines.append(f"{entry['mode']}: no longer faster than {doc['baseline']['speed']} from concurrency {at}.")
    return lines


def traffic_lines(doc: Report) -> list[str]:
    """For each mode: its speed on prompts that were answered before, and by turn of a conversation."""
    shown = [one.id for one in TRAFFIC_CHECKS]
    return [f"{f.get('mode')}: {f['summary']}" for f in view.item(doc, "modes")["findings"] if f["id"] in shown]


def limits_table(doc: Report) -> Table:
    """Each limit with how it is known; the usable window and the need at the end. Empty where nothing told one."""
    head = ("Limit", "Tokens", "How it is known", "Binds a request")
    window = next((f for f in view.item(doc, "context")["findings"] if f["id"] == context_checks.WINDOW.id), None)
    data = (window.get("data") if window else None) or {}
    rows = [
        (
            one_line(str(limit["source"]), limit=160),
            fmt.number(limit["tokens"]),
            str(limit["known_by"]),
            "yes" if limit["binding"] else "no",
        )
        for limit in data.get("limits") or []
    ]
    if not rows:
        return head, []
    if data.get("window") is not None:
        rows.append(("usable window of the model: the least that binds", fmt.number(data["window"]), "inferred", "yes"))
    need = data.get("need")
    if need:
        known = {"checklist": "declared", "counted": "observed", "estimated": "inferred"}.get(
            need["source"], "inferred"
        )
        rows.append(("needed: prompt and reply together", fmt.number(need["tokens"]), known, fmt.NOTHING))
    return head, rows
