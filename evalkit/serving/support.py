"""How a model is started in a mode: the records' arguments behind the engine's start command. No other world."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import date

from evalkit.data.records import USABLE, Record, SideFile, engines, family_of, records_for
from evalkit.findings import Frozen
from evalkit.serving.engines import engine_of


class Recipe(Frozen):
    """One start command, with the record that it comes from."""

    record: Record
    argv: tuple[str, ...]

    @property
    def title(self) -> str:
        """Engine, version and status in a few words."""
        return f"{engines()[self.record.engine].title} ({self.record.version}; {self.record.status})"

    @property
    def side_files(self) -> tuple[SideFile, ...]:
        return self.record.side_files

    def command(self, *, model: str, port: int, context: int | None = None, revision: str = "main") -> str:
        """One shell line with the placeholders filled in."""
        return shlex.join(self.filled(model=model, port=port, context=context, revision=revision))

    def filled(self, *, model: str, port: int, context: int | None = None, revision: str = "main") -> tuple[str, ...]:
        """The arguments with the placeholders filled in."""
        values = {"{model}": model, "{port}": str(port), "{context}": str(context or 4096), "{revision}": revision}
        return tuple(_fill(part, values) for part in self.argv)


def _fill(part: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        part = part.replace(name, value)
    return part


def recipe_of(record: Record) -> Recipe | None:
    """The start command of one record; None where none is known."""
    if record.args is None or record.status not in USABLE:
        return None
    row = engines()[record.engine]
    start = engine_of(row.engine).start
    base = row.argv or (start.command() if start else ())
    flags = [part for part in record.args if part.startswith("--")]
    kept = [part for part in base if part not in flags]  # a flag that the record gives too
    return Recipe(record=record, argv=(*kept, *record.args)) if base else None


def recipes_for(model: str, mode: str, architectures: Iterable[str] = ()) -> list[Recipe]:
    """Every start command for a model and mode, the most usable first; without those that are not a valid baseline.

    A reference implementation comes after every engine: no verdict rests on its speed.
    """
    made = [recipe_of(record) for record in records_for(model, mode, architectures) if record.baseline]
    known = [recipe for recipe in made if recipe is not None]
    return sorted(known, key=lambda one: not engine_of(engines()[one.record.engine].engine).timing_reference)


def recipe_for(model: str, mode: str, architectures: Iterable[str] = ()) -> Recipe | None:
    """The most usable start command; None where no record has one: nothing is guessed."""
    return next(iter(recipes_for(model, mode, architectures)), None)


def unknown(model: str, mode: str, architectures: Iterable[str] = ()) -> str:
    """That no start command is known, with what was looked for."""
    family = family_of(model, architectures)
    where = f"the records of {family.title}" if family else "no record names this model"
    return f"No start command is known for {model} in mode {mode} ({where})."


def line(record: Record, today: date | None = None) -> str:
    """One record in a sentence's length, with a mark where it is old."""
    old = f", record of {record.date}, over 180 days old" if today is not None and record.stale(today) else ""
    return f"{engines()[record.engine].title} {record.version}: {record.status}{old} ({record.note})"
