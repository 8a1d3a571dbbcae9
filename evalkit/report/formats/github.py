"""GitHub: a step summary within its size budget, and annotations for a checklist's lines."""

from __future__ import annotations

from evalkit.checklist.schema import LoadedChecklist
from evalkit.items.registry import ITEMS
from evalkit.report.document.model import Report
from evalkit.report.document.model.findings import FindingPart
from evalkit.report.formats import markdown
from evalkit.report.words.quote import command_property, command_value

#: GitHub drops a summary above 1 MiB whole; some room is left for other steps' headers
BUDGET = 900_000
_NOTE = "\n> Cut to fit a step summary. The whole report is in the run folder.\n"
_LEVEL = {"fail": "error", "error": "warning", "inconclusive": "warning", "warn": "notice"}


def render(doc: Report) -> str:
    """The Markdown report without sibling files; long parts are left out before it is cut."""
    text = markdown.render(doc)
    if len(text.encode()) <= BUDGET:
        return text
    slim = doc.copy()
    slim.update({"quality": {**doc["quality"], "harms": doc["quality"]["harms"][:20]}, "redacted": True})
    text = markdown.render(slim)
    if len(text.encode()) <= BUDGET:
        return text + _NOTE
    slim["items"] = [{**item, "findings": item["findings"][:40]} for item in doc["items"]]
    raw = markdown.render(slim).encode()
    if len(raw) <= BUDGET:
        return raw.decode() + _NOTE
    head = raw[: BUDGET - 1000].decode(errors="ignore").rpartition("\n\n")[0]
    return head + "\n" + _NOTE


def line_of(finding: FindingPart, loaded: LoadedChecklist) -> int:
    """The line of the checklist that a finding is about: its threshold, its mode, its item, else the first."""
    item = finding["id"].partition(".")[0]
    mode = finding.get("mode")
    known = next((one for name, one in ITEMS.items() if name == item), None)
    own = next((key for name, key in known.keys.items() if finding["id"].startswith(name)), None) if known else None
    keys = (own, f"modes.{mode}" if mode else None, known.key if known else None, f"items.{item}")
    return next((loaded.lines[key] for key in keys if key and key in loaded.lines), 1)


def workflow_commands(doc: Report, *, file: str, loaded: LoadedChecklist) -> list[str]:
    """Workflow commands, one a finding that does not pass, on the checklist `file`: errors first.

    GitHub shows ten of each level a step.
    """
    lines = []
    for item in doc["items"]:
        for finding in item["findings"]:
            level = _LEVEL.get(finding["status"])
            if level is None or not finding.get("counts", True):
                continue
            title = f"{finding['id']} {finding.get('mode') or ''}".strip()
            place = f"file={command_property(file)},line={line_of(finding, loaded)},title={command_property(title)}"
            lines.append(f"::{level} {place}::{command_value(finding['summary'])}")
    return sorted(lines, key=lambda line: ("::error", "::warning", "::notice").index(line.split(" ", 1)[0]))
