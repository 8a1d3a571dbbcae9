"""A comparison as Markdown and as plain text of 80 columns: what differs first, then what it did."""

from __future__ import annotations

from typing import Any

from evalkit import fmt
from evalkit.report.formats.terminal import wrapped
from evalkit.report.words import quote, view

Rows = list[tuple[str, ...]]
_ABOVE = (
    "Above 1, the later run answers the same prompts faster. The interval is over prompts: it does not hold what two "
    "starts of the same server differ by."
)
_GAIN = "Above 1, the mode gains more over its baseline in the later run; an interval that holds 1 shows no difference."


def to_markdown(doc: dict[str, Any]) -> str:
    """Tables of at most seven columns; every text from outside is quoted."""
    lines = [f"# {'SIMULATED: comparison' if _simulated(doc) else 'Comparison'}", ""]
    lines += _table(*_overview(doc))
    lines += [f"> {quote.prose(run['run'])}: {quote.prose(note)}" for run in doc["runs"] for note in run["notes"]]
    for pair in doc["comparisons"]:
        lines += ["", f"## {quote.code(pair['other'])} against {quote.code(pair['first'])}", "", "What differs:", ""]
        lines += [
            f"- {quote.prose(key)}: {quote.code(_shown(old))} and {quote.code(_shown(new))}"
            for key, (old, new) in pair["differs"].items()
        ] or ["- nothing that is recorded"]
        lines += ["", *(f"Not comparable: {quote.prose(reason)}." for reason in pair["refused"])]
        for title, head, rows, note in _parts(pair):
            if rows:
                lines += ["", f"### {title}", "", *_table(head, rows), "", note]
    return "\n".join(lines).rstrip() + "\n"


def to_table(doc: dict[str, Any]) -> str:
    """Plain lines of at most 80 columns, for a terminal or a pipe."""
    lines = ["SIMULATED: no figure is about a real model"] if _simulated(doc) else []
    for run in doc["runs"]:
        lines += wrapped(f"{run['run']}: {run['date']}, {run['model'] or 'no candidate'} on {run['hardware']}")
        lines += [line for note in run["notes"] for line in wrapped(f"note: {note}", 2)]
    for pair in doc["comparisons"]:
        lines += ["", *wrapped(f"{pair['other']} against {pair['first']}"), "  what differs:"]
        for key, (old, new) in pair["differs"].items():
            lines += wrapped(f"{key}: {_shown(old)} -> {_shown(new)}", 4)
        if not pair["differs"]:
            lines.append("    nothing that is recorded")
        lines += [line for reason in pair["refused"] for line in wrapped(f"NOT COMPARABLE: {reason}", 2)]
        for title, _, rows, note in _parts(pair):
            lines += [f"  {title}:"] if rows else []
            for row in rows:
                lines += wrapped(", ".join(row), 4)
            lines += wrapped(note, 4) if rows else []
    return "\n".join(lines) + "\n"


def _simulated(doc: dict[str, Any]) -> bool:
    return any(run["simulated"] for run in doc["runs"])


def _shown(value: Any) -> str:
    """A recorded value on one line, hashes cut."""
    if isinstance(value, list):
        return ", ".join(_shown(one) for one in value) or "none"
    text = "none" if value is None else str(value)
    return text[:12] if len(text) == 64 and set(text) <= set("0123456789abcdef") else text


def _overview(doc: dict[str, Any]) -> tuple[tuple[str, ...], Rows]:
    head = ("Run", "Date", "Model", "Hardware", "Engines", "Speed-up (interval), n prompts")
    rows: Rows = []
    for run in doc["runs"]:
        gains = ", ".join(f"{mode} {view.speedup(speed)}" for mode, speed in run["speedups"].items())
        engines = ", ".join(dict.fromkeys(run["engines"].values())) or "unknown"
        rows.append((run["run"], run["date"], run["model"] or "none", run["hardware"], engines, gains or fmt.NOTHING))
    return head, rows


def _parts(pair: dict[str, Any]) -> list[tuple[str, tuple[str, ...], Rows, str]]:
    """(title, head, rows, note) of each table."""
    times: Rows = [(r["mode"], _at(r), _n(r), _with_interval(r), r["answer"]) for r in pair["rows"]]
    gains: Rows = [
        (
            r["mode"],
            _at(r),
            _n(r),
            f"{fmt.ratio(r['first'])} then {fmt.ratio(r['other'])}",
            _with_interval(r),
            r["answer"],
        )
        for r in pair["speedups"]
    ]
    cases: Rows = [
        (
            r["suite"],
            r["mode"],
            f"n = {r['pairs']} cases",
            f"{fmt.share(r['first'])} then {fmt.share(r['other'])}",
            f"{fmt.points(r['difference'])} points ({fmt.points(r['low'])} to {fmt.points(r['high'])})",
            r["answer"],
        )
        for r in pair["quality"]
    ]
    return [
        ("Whole answers", ("Mode", "Load", "Prompts", "First over later (interval)", "Answer"), times, _ABOVE),
        ("Speed-ups", ("Mode", "Load", "Prompts", "Speed-up", "Later over first (interval)", "Answer"), gains, _GAIN),
        (
            "Tasks",
            ("Suite", "Mode", "Cases", "Passed", "Difference (90% interval)", "Answer"),
            cases,
            "The same cases, paired; the difference is the later run's share less the first one's.",
        ),
    ]


def _at(row: dict[str, Any]) -> str:
    return f"concurrency {row['concurrency']}"


def _n(row: dict[str, Any]) -> str:
    return f"n = {row['pairs']}"


def _with_interval(row: dict[str, Any]) -> str:
    return f"{fmt.ratio(row['ratio'])} ({fmt.interval(row['low'], row['high'])})"


def _table(head: tuple[str, ...], rows: Rows) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(quote.cell(cell) for cell in row)} |" for row in rows]
