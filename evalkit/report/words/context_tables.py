"""The limits of the context in one table: model, servers and what was answered, each with how it is known."""

from __future__ import annotations

from evalkit import fmt
from evalkit.report.document.model import Report
from evalkit.report.words import view
from evalkit.report.words.view import Row
from evalkit.text import one_line


def limits_table(doc: Report) -> tuple[tuple[str, ...], list[Row]]:
    """Each limit with how it is known; the usable window and the need at the end. Empty where nothing told one."""
    head = ("Limit", "Tokens", "How it is known", "Binds a request")
    window = next((f for f in view.item(doc, "context")["findings"] if f["id"] == "context.window"), None)
    data = (window.get("data") if window else None) or {}
    rows = [
        Row(
            (
                one_line(str(limit["source"]), limit=160),
                fmt.number(limit["tokens"]),
                str(limit["known_by"]),
                "yes" if limit["binding"] else "no",
            )
        )
        for limit in data.get("limits") or []
    ]
    if not rows:
        return head, []
    if data.get("window") is not None:
        rows.append(
            Row(("usable window of the model: the least that binds", fmt.number(data["window"]), "inferred", "yes"))
        )
    need = data.get("need")
    if need:
        known = {"checklist": "declared", "counted": "observed", "estimated": "inferred"}.get(
            need["source"], "inferred"
        )
        rows.append(Row(("needed: prompt and reply together", fmt.number(need["tokens"]), known, fmt.NOTHING)))
    return head, rows
