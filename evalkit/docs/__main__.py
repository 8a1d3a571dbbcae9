"""`python -m evalkit.docs [--check] [FOLDER]`: write the generated pages and schemas, or say which are out of date.

Pages go to docs/ and schemas next to the packaged data, or both to FOLDER.
"""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

from evalkit.checklist.keys import Key, keys
from evalkit.docs.commands import commands_markdown
from evalkit.docs.report_json import directory_markdown, matrix_json_markdown, report_json_markdown
from evalkit.docs.schemas import schemas
from evalkit.docs.table import cell, table
from evalkit.explain.explain import findings_markdown
from evalkit.explain.graders import graders_markdown
from evalkit.harness.registry import READERS
from evalkit.importers.promptfoo_asserts import TABLE
from evalkit.importers.registry import IMPORTERS

DATA = Path(str(resources.files("evalkit"))) / "data"


def main(arguments: list[str]) -> int:
    """0; with --check 1 when a page differs."""
    check = "--check" in arguments
    given = next((Path(one) for one in arguments if not one.startswith("-")), None)
    texts = {(given or Path("docs")) / name: text for name, text in pages().items()}
    texts |= {(given or DATA) / name: text for name, text in schemas().items()}
    stale = []
    for path, text in texts.items():
        if check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            stale.append(path.name)
        elif not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run `make docs`\n")
    return 1 if stale else 0


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


_INTRO = """# The checklist file

To look up: every key. Generated from the schema.
`evalkit explain KEY` prints one key, `evalkit validate FILE` checks a file. How to write
one, from the top: [own-checklist.md](own-checklist.md).

Every key is optional unless it says *required*: required within its own section, when that section is there. Relative
paths are taken from the checklist's folder. Unknown keys, keys that appear twice and merge keys are errors with a
line number. `NAME` is a mode's name, `[]` for each entry of a list.
"""


def checklist_markdown() -> str:
    """The page: the keys at the top, then a table a section."""
    found = keys()
    parts = [_INTRO, "## Top level\n", _rows([key for key in found if not key.parent])]
    for key in found:
        if key.section is None:
            continue
        inner = [one for one in found if one.parent in (key.path, f"{key.path}.NAME", f"{key.path}[]")]
        about = " ".join((key.section.__doc__ or key.meaning).split())
        parts += [f"## {inner[0].parent}\n", f"{about}\n", _rows(inner)]
    return "\n".join(parts).rstrip() + "\n"


def _rows(found: list[Key]) -> str:
    rows = [(f"`{key.path.rpartition('.')[2]}`", cell(key.kind), cell(key.default), cell(key.meaning)) for key in found]
    return table(("key", "takes", "default", "meaning"), rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
