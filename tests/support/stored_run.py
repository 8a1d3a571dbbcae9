"""Run folders written from facts, as a run writes them: what gate, report, compare and pack are tested against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.facts import Facts
from evalkit.findings import Frozen
from evalkit.stored.fold import KINDS
from evalkit.stored.folder import RunFolder, plan_hash
from evalkit.stored.journal import Journal

PLAN: dict[str, Any] = {"requests": []}


def write_run(path: Path, checklist: Checklist, facts: Facts, *, lines: dict[str, int] | None = None) -> RunFolder:
    """A run folder at `path` whose journal holds `facts`, chained and consistent with its checklist and plan."""
    loaded = LoadedChecklist(
        checklist=checklist, path=path / "checklist.yaml", folder=path, sha256="b" * 64, lines=lines or {}
    )
    folder = RunFolder.create(path, loaded, PLAN)
    hashes = {
        "checklist_sha256": loaded.sha256,
        "plan_sha256": plan_hash(PLAN),
        "resolved_sha256": folder.resolved_sha256(),
    }
    start = facts.start.model_copy(update=hashes)
    journal = Journal(folder.journal)
    for kind, fact in _records(facts.model_copy(update={"start": start})):
        journal.append(kind, fact)
    journal.close()
    return folder


def _records(facts: Facts) -> Iterator[tuple[str, Frozen]]:
    """The start first, the end last."""
    order = sorted(KINDS, key=lambda name: (name != "start", name == "end"))
    for name in order:
        kind = KINDS[name]
        value = getattr(facts, kind.field)
        if value is None:
            continue
        if kind.single:
            yield name, value
        else:
            for fact in value.values() if kind.key else value:
                yield name, fact
