"""What is recorded to serve a model: the text of `evalkit explain support MODEL`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from textwrap import indent

from evalkit.data.records import STALE_DAYS, Family, Record, engines, families, family_of, records_for
from evalkit.errors import UsageError
from evalkit.serving.support import recipe_of
from evalkit.text import capital, one_line


def support(model: str | None, architectures: Iterable[str] = (), *, today: date) -> str:
    """Markdown of every record about `model`, mode by mode, the most usable first; without a model, all families.

    A model that was made from another one is known by its `architectures`.

    Raises:
        UsageError: no record names the model; the hint says how to ask for those that are known.
    """
    if model is None:
        return _families()
    architectures = tuple(architectures)
    family = family_of(model, architectures)
    if family is None:
        shown = one_line(model, limit=100)
        hint = "evalkit explain support lists the models that are; evalkit probe URL asks a server that runs"
        raise UsageError(f"no record contains {shown!r}: no start command is known", hint=hint)
    rows = records_for(model, architectures=architectures)
    modes = dict.fromkeys(row.mode for row in rows)
    parts = [_head(model, family), *(_mode(model, mode, [r for r in rows if r.mode == mode], today) for mode in modes)]
    if not rows:
        parts.append("No engine is recorded: no start command is known.")
    return "\n\n".join([*parts, "A live server overrides these records."]) + "\n"


def _families() -> str:
    lines = [f"- {family.title}: {', '.join(family.ids)}" for family in families()]
    return "\n".join(["## Models with records of what serves them", "", *lines]) + "\n"


def _head(model: str, family: Family) -> str:
    known = {
        "license": family.license, "attention": family.attention, "block": family.block and f"{family.block} tokens",
        "context in the configuration": family.context and f"{family.context:,} tokens",
    }  # fmt: skip
    told = "; ".join(f"{name} {value}" for name, value in known.items() if value)
    lines = [f"## {one_line(model, limit=100)}", "", f"Family: {family.title}." + (f" {told}." if told else "")]
    return "\n".join([*lines, *([family.notes] if family.notes else [])])


def _mode(model: str, mode: str, rows: list[Record], today: date) -> str:
    return "\n\n".join([f"### {mode}", *(_record(model, row, today) for row in rows)])


def _record(model: str, row: Record, today: date) -> str:
    old = f"; over {STALE_DAYS} days old, may have changed" if row.stale(today) else ""
    lines = [f"- **{engines()[row.engine].title}** {row.version}: **{row.status}**. {capital(row.note)}."]
    recipe = recipe_of(row)
    if recipe is not None:
        lines.append(f"  Start: `{recipe.command(model=model, port=30000)}`")
    for file in row.side_files:
        lines += [
            f"  File {file.name} (sha256 {file.sha256}; {file.note}; {file.source}):",
            indent(file.text, "      "),
        ]
    if row.forced_by_mode:
        lines.append(f"  Forced by the mode: {'; '.join(f'{k}: {v}' for k, v in row.forced_by_mode.items())}.")
    lines.append(f"  Source: {row.source}, {row.date} ({row.how_read.replace('-', ' ')}{old}).")
    return "\n".join(line.rstrip("\n") for line in lines)
