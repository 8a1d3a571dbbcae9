"""The generated pages by file name."""

from __future__ import annotations

from evalkit.docs.checklist import checklist_markdown
from evalkit.docs.commands import commands_markdown
from evalkit.docs.importing import import_kinds_markdown
from evalkit.docs.report_json import directory_markdown, report_json_markdown
from evalkit.explain.explain import findings_markdown
from evalkit.explain.graders import graders_markdown


def pages() -> dict[str, str]:
    """Whole texts, the same for the same code."""
    return {
        "checklist.md": checklist_markdown(),
        "commands.md": commands_markdown(),
        "directory.md": directory_markdown(),
        "findings.md": findings_markdown(),
        "graders.md": graders_markdown(),
        "import-kinds.md": import_kinds_markdown(),
        "report-json.md": report_json_markdown(),
    }
