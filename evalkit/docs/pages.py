"""The generated pages by file name."""

from __future__ import annotations

from evalkit.docs.checklist import checklist_markdown
from evalkit.docs.commands import commands_markdown
from evalkit.docs.report_json import directory_markdown, matrix_json_markdown, report_json_markdown
from evalkit.docs.table import table
from evalkit.explain.explain import findings_markdown
from evalkit.explain.graders import graders_markdown
from evalkit.harness.registry import READERS
from evalkit.importers.promptfoo_asserts import TABLE
from evalkit.importers.registry import IMPORTERS


def pages() -> dict[str, str]:
    """Whole texts, the same for the same code."""
    return {
        "checklist.md": checklist_markdown(),
        "commands.md": commands_markdown(),
        "directory.md": directory_markdown(),
        "matrix-json.md": matrix_json_markdown(),
        "findings.md": findings_markdown(),
        "graders.md": graders_markdown(),
        "import-kinds.md": import_kinds_markdown(),
        "report-json.md": report_json_markdown(),
    }


def import_kinds_markdown() -> str:
    """What each kind of file brings along, from the importers' own metadata."""
    kinds = table(
        ["kind", "what it is", "carried over", "left out"],
        [[f"`{one.kind}`", one.title, one.carries, one.drops] for one in IMPORTERS],
    )
    assertions = table(["assertion", "grader"], [list(row) for row in TABLE])
    harnesses = table(
        ["`from`, `reads`", "files", "what must be the same, and is checked"],
        [[f"`{one.kind}`", one.title, one.checked] for one in READERS],
    )
    return (
        "# Kinds of files that evalkit imports\n\n"
        "To look up: every kind of file. How to use them: [import](import.md). This page is generated.\n\n"
        f"## Kinds\n\n{kinds}\n## promptfoo's assertions\n\n{assertions}\n"
        "Each may be written with `not-` in front.\n\n"
        f"## Results of other harnesses\n\n{harnesses}"
    )
