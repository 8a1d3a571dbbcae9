"""The page of graders, from the graders' own metadata."""

from __future__ import annotations

from evalkit.quality.graders import Grader, registry
from evalkit.quality.graders.base import Reply

_FAMILIES = {
    "text": "Text", "number": "Numbers", "structure": "Structure", "tools": "Tool calls", "length": "Length",
    "long": "Long replies", "instructions": "Instructions", "sequence": "Order and nesting", "glue": "Combining",
    "judge": "Judges", "execution": "Running code",
}  # fmt: skip
_INTRO = """# Graders

To look up: every grader and its parameters. This page is generated.

A case's `expect` lists graders; all of them must hold. A grader gives *passed*, *failed* or *unscored*, and a score
from 0 to 1. Unscored is not zero: it counts against the completeness that a decision needs.
"""


def graders_markdown() -> str:
    """docs/graders.md: every grader with parameters, notes and an example that a test runs."""
    parts = [_INTRO]
    by_family: dict[str, list[Grader]] = {}
    for grader in registry().values():
        by_family.setdefault(grader.family, []).append(grader)
    for family, title in {**_FAMILIES, **{name: name for name in by_family if name not in _FAMILIES}}.items():
        parts.append(f"## {title}\n")
        parts += [grader_markdown(grader) for grader in by_family.get(family, ())]
    return "\n".join(parts).rstrip() + "\n"


def grader_markdown(grader: Grader) -> str:
    """One grader, for the page and for `evalkit explain`."""
    lines = [f"### `{grader.name}`\n", f"{grader.summary}\n"]
    doc = (grader.params.__doc__ or "").strip()
    if doc and doc != (grader.params.__mro__[1].__doc__ or "").strip():
        lines.append(f"{' '.join(doc.split())}\n")
    if grader.params.model_fields:
        lines += ["| parameter | default |", "| --- | --- |"]
        for name, field in grader.params.model_fields.items():
            default = "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)!r}`"
            bare = " (a bare value means this one)" if name == grader.short else ""
            lines.append(f"| `{field.alias or name}`{bare} | {default} |")
        lines.append("")
    lines += [
        "```yaml",
        f"expect: [{{{grader.example.expect}}}]"
        if ":" in grader.example.expect
        else f"expect: [{grader.example.expect}]",
        "```\n",
    ]
    lines.append(f"Passes: {_reply(grader.example.passes)} Fails: {_reply(grader.example.fails)}\n")
    lines += [f"- {note}" for note in grader.notes]
    return "\n".join(lines).rstrip() + "\n"


def _reply(reply: Reply) -> str:
    said = " ".join(f"{name}({arguments})" for name, arguments in reply.calls) or reply.text or "(empty)"
    shown = said if len(said) <= 120 else f"{said[:117]}..."
    fence = "``" if "`" in shown else "`"
    return f"{fence}{shown!r}{fence}" if "\n" in shown or "`" in shown else f"`{shown}`"
