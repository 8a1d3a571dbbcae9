"""What serves which model in which decoding mode: one set of records by model family, engine and mode.

Variants, models to compare with, engines, support and start commands are derived from it, so that two tables cannot
disagree; `contradictions` finds what the records themselves say twice and differently. A live server overrides them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, Literal

from evalkit.data.models import Related, Sourced, Variant
from evalkit.findings import Frozen

#: `absent`: looked for, and not there. `not-known`: nobody looked, or it was not tried.
Support = Literal["released", "pre-release", "fork", "documented", "open-pr", "not-known", "absent"]
#: the most usable first
ORDER: tuple[Support, ...] = ("released", "pre-release", "fork", "documented", "open-pr", "not-known", "absent")
#: what can be started
USABLE: frozenset[Support] = frozenset({"released", "pre-release", "fork", "documented"})
#: a record that is older is shown as such
STALE_DAYS = 180


class SideFile(Frozen):
    """A small file that a start command needs next to the model."""

    name: str
    text: str
    source: str
    note: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


class Engine(Sourced):
    """One program that decodes. `engine`: its name in serving/engines, where evalkit recognises it."""

    key: str
    title: str
    serves: Literal["http", "cli", "python"]
    engine: str | None = None
    #: repository
    id: str | None = None
    license: str | None = None
    #: how it is started, where no engine of serving/engines says so
    argv: tuple[str, ...] = ()
    #: what a machine without a GPU needs: variables as NAME=VALUE, and flags
    cpu_environment: tuple[str, ...] = ()
    cpu_args: tuple[str, ...] = ()


class Record(Sourced):
    """One engine, one mode, some models of one family."""

    family: str
    models: tuple[str, ...]
    #: of the family's classes, those that it is about; none: all
    architectures: tuple[str, ...] = ()
    engine: str
    mode: str
    version: str
    status: Support
    #: what is added to the engine's start command; None: no start command is known
    args: tuple[str, ...] | None = None
    side_files: tuple[SideFile, ...] = ()
    #: settings that the mode itself forces, and to what: no difference that a user could take away
    forced_by_mode: dict[str, str] = {}  # noqa: RUF012  pydantic copies defaults
    #: False: not to be taken as a baseline
    baseline: bool = True
    note: str

    def stale(self, today: date) -> bool:
        """Looked at so long ago that it may have changed; a date without a day is taken as its first."""
        when = self.date if len(self.date) > len("2026-11") else f"{self.date}-01"
        return (today - date.fromisoformat(when)).days > STALE_DAYS


class Family(Sourced):
    """Models of one architecture. None: not seen."""

    family: str
    title: str
    models: tuple[str, ...]
    architectures: tuple[str, ...] = ()
    candidate: bool = False
    license: str | None = None
    attention: str | None = None
    #: tokens that are decoded at a time
    block: int | None = None
    mask: int | None = None
    context: int | None = None
    #: modes of a family without a record
    decodes: tuple[str, ...] = ()
    notes: str | None = None
    variants: tuple[Variant, ...] = ()
    records: tuple[Record, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id that a record or variant has, once."""
        named = (*self.models, *(v.id for v in self.variants), *(m for r in self.records for m in r.models))
        return tuple(dict.fromkeys(named))


def _read(name: str) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = resources.files("evalkit.data").joinpath("records", f"{name}.yaml").read_text(encoding="utf-8")
    table = yaml.load(text, Loader=loader)  # noqa: S506  a safe loader, on a packaged file
    if not isinstance(table, dict):
        raise TypeError(f"packaged records {name} are not a mapping")
    return table


@cache
def engines() -> Mapping[str, Engine]:
    """Every engine that a record names, by its key."""
    return {key: Engine(key=key, **row) for key, row in _read("engines")["engines"].items()}


@cache
def families() -> tuple[Family, ...]:
    """The first candidates, then the models to compare with."""
    raw = [_read("nemotron-labs-diffusion"), *_read("others")["families"]]
    return tuple(_family(dict(one)) for one in raw)


def _family(raw: dict[str, Any]) -> Family:
    rows = raw.pop("support")
    made = [record for row in rows for record in _records(raw, dict(row))]
    return Family(records=tuple(made), **raw)


def _records(family: Mapping[str, Any], row: dict[str, Any]) -> Iterator[Record]:
    shared = {"family": family["family"], "models": family["models"], **row}
    modes, args = shared.pop("modes"), shared.pop("args", None)
    for mode in modes:
        mine = None if args is None else tuple(part.replace("{mode}", mode) for part in args)
        yield Record(mode=mode, args=mine, **shared)


def records() -> tuple[Record, ...]:
    """All records."""
    return tuple(record for family in families() for record in family.records)


def family_of(model: str, architectures: Iterable[str] = ()) -> Family | None:
    """The family of a Hub id (letter case is folded), else the one family that has the architecture.

    A checkpoint that was made from another one has an id that no record contains: its architecture decides then.
    """
    wanted = model.casefold()
    named = next((f for f in families() if wanted in {name.casefold() for name in f.ids}), None)
    if named is not None:
        return named
    known = set(architectures)
    fitting = [f for f in families() if known & set(f.architectures)]
    return fitting[0] if len(fitting) == 1 else None


def records_for(model: str, mode: str | None = None, architectures: Iterable[str] = ()) -> list[Record]:
    """Records about a model, the most usable first; of all modes, or of one."""
    family = family_of(model, architectures)
    if family is None:
        return []
    wanted = model.casefold()
    named, classes = wanted in {name.casefold() for name in family.ids}, set(architectures)
    found = [
        record
        for record in family.records
        if mode in (None, record.mode)
        and (not record.architectures or not classes or classes & set(record.architectures))
        and (wanted in {m.casefold() for m in record.models} if named else set(record.models) & set(family.models))
    ]
    return sorted(found, key=lambda record: ORDER.index(record.status))


def forced(engine: str | None, mode: str, architectures: Iterable[str] = ()) -> dict[str, str]:
    """Settings that a mode forces on a recognised engine, and to what; of one family where its architecture is known.

    A mode that calls itself autoregressive and runs the block loop does not count: plain decoding forces nothing.
    """
    keys = {key for key, row in engines().items() if row.engine == engine and engine is not None}
    family = family_of("", architectures)
    found: dict[str, dict[str, None]] = {}
    for record in family.records if family else records():
        if record.engine in keys and record.mode == mode and record.baseline:
            for name, to in record.forced_by_mode.items():
                found.setdefault(name, {})[to] = None
    return {name: "; ".join(values) for name, values in found.items()}


def variants() -> tuple[Variant, ...]:
    """The repositories of the first candidates as they were seen."""
    return tuple(variant for family in families() for variant in family.variants)


def related() -> list[Related]:
    """Engines that are recorded for the first candidates, and models to compare with."""
    first = [family for family in families() if family.candidate]
    rows = [_engine(row, first) for row in engines().values() if row.id and _named(row, first)]
    return [*rows, *(_compared(family) for family in families() if not family.candidate)]


def _named(engine: Engine, first: list[Family]) -> bool:
    return any(record.engine == engine.key and record.status != "absent" for f in first for record in f.records)


def _engine(row: Engine, first: list[Family]) -> Related:
    mine = [r for f in first for r in f.records if r.engine == row.key and r.status in USABLE]
    notes = "; ".join(dict.fromkeys(f"{r.version}: {r.status}, {r.mode}" for r in mine)) or None
    return Related(
        id=row.id or row.key, relation="engine", title=row.title, license=row.license, notes=notes,
        modes=tuple(dict.fromkeys(r.mode for r in mine)), source=row.source, date=row.date, how_read=row.how_read,
    )  # fmt: skip


def _compared(family: Family) -> Related:
    usable = [record for record in family.records if record.status in USABLE]
    return Related(
        id=family.models[0], relation="compare", title=family.title, license=family.license,
        engines=tuple(dict.fromkeys(record.engine for record in usable)),
        modes=tuple(dict.fromkeys([*family.decodes, *(record.mode for record in usable)])),
        notes=family.notes, source=family.source, date=family.date, how_read=family.how_read,
    )  # fmt: skip
