"""GitHub: a step summary within its size budget, and annotations for a checklist's lines."""

from __future__ import annotations

from typing import Any

from evalkit.report import markdown
from evalkit.report.quote import command_property, command_value

#: GitHub drops a summary above 1 MiB whole; some room is left for other steps' headers
BUDGET = 900_000
_NOTE = "\n> Cut to fit a step summary. The whole report is in the run folder.\n"
_LEVEL = {"fail": "error", "error": "warning", "inconclusive": "warning", "warn": "notice"}


def render(doc: dict[str, Any]) -> str:
    """The Markdown report without sibling files; long parts are left out before it is cut."""
    text = markdown.render(doc)
    if len(text.encode()) <= BUDGET:
        return text
    slim = {**doc, "quality": {**doc["quality"], "harms": doc["quality"]["harms"][:20]}, "redacted": True}
    text = markdown.render(slim)
    if len(text.encode()) <= BUDGET:
        return text + _NOTE
    slim["items"] = [{**item, "findings": item["findings"][:40]} for item in doc["items"]]
    raw = markdown.render(slim).encode()
    if len(raw) <= BUDGET:
        return raw.decode() + _NOTE
    head = raw[: BUDGET - 1000].decode(errors="ignore").rpartition("\n\n")[0]
    return head + "\n" + _NOTE


def workflow_commands(doc: dict[str, Any], *, file: str, line: int = 1) -> list[str]:
    """Workflow commands, one a finding that does not pass, on `file` at `line`. GitHub shows ten a level."""
    lines = []
    for item in doc["items"]:
        for finding in item["findings"]:
            level = _LEVEL.get(finding["status"])
            if level is None or not finding.get("counts", True):
                continue
            title = f"{finding['id']} {finding.get('mode') or ''}".strip()
            lines.append(
                f"::{level} file={command_property(file)},line={int(line)},title={command_property(title)}"
                f"::{command_value(finding['summary'])}"
            )
    return lines
