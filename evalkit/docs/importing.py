"""docs/import-kinds.md: what each kind of file brings along, from the importers' own metadata."""

from __future__ import annotations

from evalkit.docs.table import table
from evalkit.harness.registry import READERS
from evalkit.importers.promptfoo_asserts import TABLE
from evalkit.importers.registry import IMPORTERS


def import_kinds_markdown() -> str:
    """The whole page."""
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
