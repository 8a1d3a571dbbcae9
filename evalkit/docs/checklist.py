"""docs/checklist.md: every key of a checklist, from the schema."""

from __future__ import annotations

from evalkit.checklist.keys import Key, keys
from evalkit.docs.table import cell, table

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
