"""Tables on replies: suites against the baseline, tool calls, long replies and prompts. Plain text of the document."""

from __future__ import annotations

from evalkit import fmt
from evalkit.items.quality import checks as quality_checks
from evalkit.report.document.model import Report
from evalkit.report.words import view
from evalkit.report.words.load_tables import Table


def quality_table(doc: Report) -> Table:
    """Suites per mode against the baseline, with the interval of the difference and the margin."""
    head = ("Suite", "Mode", "Passed", "Baseline", "Difference, points (interval)", "Margin, points", "Status")
    rows = []
    for row in doc["quality"].get("suites", []):
        low, high = row.get("low"), row.get("high")
        span = f" ({fmt.span(low, high)})" if low is not None and high is not None else ""
        rows.append(
            (
                str(row.get("suite", "")),
                str(row.get("mode", "")),
                _share(row.get("passed"), row.get("scored"), row.get("share")),
                fmt.share(row.get("baseline_share")),
                f"{fmt.points(row.get('difference'))}{span}",
                fmt.NOTHING if row.get("margin") is None else f"{100 * row['margin']:.1f}",
                view.status(row["status"]) if row.get("status") else fmt.NOTHING,
            )
        )
    return head, rows


def _share(passed: float | None, scored: int | None, share: float | None) -> str:
    if passed is not None and scored:
        return f"{fmt.number(passed)} of {scored} ({fmt.share(share if share is not None else passed / scored)})"
    return fmt.share(share)


def tool_table(doc: Report) -> Table:
    """What became of requests with tools, and how many calls were right."""
    head = ("Mode", "Suite", "Calls / text, n", "Malformed", "Cut off", "Right function", "Right arguments")
    rows = []
    for finding in view.item(doc, "quality")["findings"]:
        data = finding.get("data") or {}
        if finding["id"] != quality_checks.TOOL_OUTCOMES.id or not data.get("replies"):
            continue
        replies, asked = data["replies"], data.get("asked") or 0
        of = [f"{data.get(k, 0)} of {asked}" if asked else fmt.NOTHING for k in ("right_function", "right_arguments")]
        rows.append(
            (
                finding.get("mode") or "",
                str(data.get("suite", "")),
                f"{data.get('call', 0)} / {data.get('text', 0)} of {replies}",
                f"{data.get('malformed', 0)} ({fmt.share(data.get('malformed', 0) / replies)})",
                str(data.get("truncated", 0)),
                *of,
            )
        )
    return head, rows


def position_table(doc: Report) -> Table:
    """Where along long replies a mode goes wrong."""
    head = ("Suite", "Mode", "Cases, n", "First third right", "Middle third right", "Last third right")
    rows = [
        (str(r["suite"]), str(r["mode"]), str(r.get("scored", fmt.NOTHING)), *map(fmt.share, r["by_third"]))
        for r in doc["quality"].get("suites", [])
        if len(r.get("by_third") or ()) == 3
    ]
    return head, rows


def length_table(doc: Report) -> Table:
    """Length of replies against the length that the task asked for."""
    head = (
        "Mode",
        "Asked",
        "Unit",
        "Replies, n",
        "Achieved, median",
        "Achieved, smallest to largest",
        "Share of asked",
    )
    rows = [
        (
            r["mode"],
            fmt.number(r["asked"]),
            r.get("unit") or fmt.NOTHING,
            str(r["n"]),
            fmt.number(r["median"]),
            f"{fmt.number(r['low'])} to {fmt.number(r['high'])}",
            fmt.share(r["median"] / r["asked"]),
        )
        for r in doc.get("lengths") or []
    ]
    return head, rows


def probe_table(doc: Report) -> Table:
    """The live context probe: each length that was sent."""
    head = ("Mode", "Tokens sent", "Tokens counted by the server", "Answered", "Planted facts back", "Stopped by")
    rows = []
    for probe in doc.get("context_probes") or []:
        for step in probe["steps"]:
            back = list((step.get("recalled") or {}).values())
            rows.append(
                (
                    probe["mode"],
                    fmt.number(step["asked_tokens"]),
                    fmt.number(step.get("counted_tokens")),
                    "yes" if step["ok"] else f"no: {step.get('error') or 'no reason given'}",
                    f"{sum(back)} of {len(back)}" if back else fmt.NOTHING,
                    step.get("finish_reason") or fmt.NOTHING,
                )
            )
    return head, rows
