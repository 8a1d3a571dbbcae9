"""The support matrix and launch recipes as typed rows. Packaged data, no other world."""

from __future__ import annotations

import shlex
from functools import cache
from typing import Literal

from evalkit.data import load_table
from evalkit.findings import Frozen

Support = Literal["supported", "fork-only", "open-pr", "not-supported", "unverified"]
_ORDER: tuple[Support, ...] = ("supported", "fork-only", "unverified", "open-pr", "not-supported")


class SupportRow(Frozen):
    models: tuple[str, ...]  # Hub ids in lower case
    engine: str
    version: str
    mode: str  # a decoding mode, or any
    status: Support
    recipe: str | None = None
    note: str = ""
    source: str
    date: str


class Recipe(Frozen):
    title: str
    argv: tuple[str, ...]
    note: str = ""
    source: str
    date: str

    def command(self, *, model: str, port: int, context: int | None = None, revision: str = "main") -> str:
        """One shell line with the placeholders filled in."""
        values = {"{model}": model, "{port}": str(port), "{context}": str(context or 4096), "{revision}": revision}
        return shlex.join(values.get(part, part) for part in self.argv)


@cache
def matrix() -> tuple[SupportRow, ...]:
    return tuple(SupportRow(**{**row, "date": str(row["date"])}) for row in load_table("support_matrix")["rows"])


@cache
def recipes() -> dict[str, Recipe]:
    table = load_table("launch_recipes")["recipes"]
    return {name: Recipe(**{**row, "date": str(row["date"])}) for name, row in table.items()}


def rows_for(model: str, mode: str) -> list[SupportRow]:
    """Rows about this model and mode, the most usable first."""
    rows = [row for row in matrix() if model.lower() in row.models and row.mode in (mode, "any")]
    return sorted(rows, key=lambda row: _ORDER.index(row.status))


def recipe_for(model: str, mode: str) -> Recipe | None:
    """The start command of the most usable row that has one; plain SGLang where the table does not know the model."""
    named = next((row.recipe for row in rows_for(model, mode) if row.recipe), None)
    if named is None:
        named = {"diffusion": "sglang-diffusion", "autoregressive": "sglang-ar"}.get(mode)
    return recipes()[named] if named else None
