"""The readers, and reading the results that a checklist names."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from evalkit.checklist.files import resolve
from evalkit.checklist.schema import LoadedChecklist
from evalkit.checklist.tasks import HarnessTask
from evalkit.errors import InputFileError
from evalkit.harness import inspect_log, lm_eval, nemo, plain, promptfoo
from evalkit.harness.base import Read, Reader, hashed
from evalkit.harness.facts import HarnessFacts

READERS: tuple[Reader, ...] = (lm_eval.READER, inspect_log.READER, nemo.READER, promptfoo.READER, plain.READER)
_BY_KIND = {one.kind: one for one in READERS}
MOST_ROWS = 2_000_000


def given(loaded: LoadedChecklist) -> list[HarnessFacts]:
    """All `results` that the checklist names.

    Raises:
        InputFileError: results that cannot be read, with the place.
    """
    found = []
    for entry, task in enumerate(loaded.checklist.tasks or []):
        if isinstance(task, HarnessTask) and task.results is not None:
            for mode, written in task.results.items():
                found += read(resolve(loaded.folder, written), task, entry, mode)
    return found


def read(path: Path, task: HarnessTask, entry: int, mode: str, *, ran_here: bool = False) -> list[HarnessFacts]:
    """The results of one mode, a record a task.

    Raises:
        InputFileError: they cannot be read.
    """
    return [_facts(one, task, entry, mode, ran_here) for one in _read(path, task, mode)]


def _read(path: Path, task: HarnessTask, mode: str) -> Iterator[Read]:
    for one in _BY_KIND[task.reader].read(path, task, mode):
        if len(one.rows) > MOST_ROWS:
            raise InputFileError(f"more than {MOST_ROWS:,} samples", where=str(path), hint="set limit: in the harness")
        yield one


def _facts(one: Read, task: HarnessTask, entry: int, mode: str, ran_here: bool) -> HarnessFacts:
    rows, problems = one.rows, list(one.problems)
    seen = {(row.case, row.repeat) for row in rows}
    if len(seen) < len(rows):
        problems.append(f"{len(rows) - len(seen)} samples are there twice")
    if one.planned is not None and one.planned != len(rows):
        problems.append(f"{len(rows)} samples where the harness says {one.planned}")
    if any(row.score is not None and math.isnan(row.score) for row in rows):
        problems.append("scores that are not numbers")
    name = f"{task.name}/{one.task}" if task.name and task.name != one.task else one.task
    return HarnessFacts(
        entry=entry, task=name.replace("|", "/"), kind=task.kind, mode=mode, reader=task.reader,
        tool_version=one.tool_version,
        settings={key: value for key, value in one.settings.items() if value is not None}, endpoint=one.endpoint,
        model=one.model, started_at=one.started_at, finished_at=one.finished_at, ran_here=ran_here,
        problems=tuple(problems), planned=one.planned, sources=hashed(one.sources), shared=one.shared,
        cases=tuple(_one_line(row.case) for row in rows),
        docs=_column([row.doc for row in rows]), prompts=_column([row.prompt for row in rows]),
        clusters=_column([_one_line(row.cluster) if row.cluster else "" for row in rows]),
        repeats=tuple(row.repeat for row in rows) if any(row.repeat for row in rows) else (),
        scores=tuple(row.score for row in rows),
    )  # fmt: skip


def _one_line(text: str) -> str:
    """An id as a column holds it: without line ends, and never empty."""
    return text.replace("\r", " ").replace("\n", " ") or "?"


def _column(values: list[str]) -> tuple[str, ...]:
    """Empty where no row has a value."""
    return tuple(values) if any(values) else ()
