"""The document of a stored run, decided again as of the day it ended: the same run, the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from evalkit.facts import Facts
from evalkit.report.document.build import build
from evalkit.report.document.model import Report
from evalkit.report.document.model.origin import Regraded
from evalkit.stored.open import open_source


def document_of(
    path: Path, *, redact_prompts: bool = False, regrade: Sequence[Path] = (), allow_exec: bool = False
) -> Report:
    """report.json of the run at `path`, with what is wrong with its evidence and what a pack cannot do.

    With `regrade` the stored replies are graded by those suites instead; the stored run stays as it is. `allow_exec`:
    code in the replies is run where a suite asks for it (python_tests).

    Raises:
        RunFolderError: nothing there, or damaged.
        UsageError: `regrade` on a pack without texts, or with a suite that the run does not hold.
    """
    from evalkit.stored.regrade import regraded
    from evalkit.verdict.decide import decide

    source = open_source(path)
    read = source.facts()
    facts, told = regraded(source, regrade, allow_exec=allow_exec) if regrade else (read, [])
    loaded = source.checklist()
    decision = decide(loaded.checklist, facts, facts.as_of, strict=strict(facts))
    redacted = redact_prompts or source.redacted
    document = build(
        loaded.checklist, facts, decision, redact_prompts=redacted, without=source.redacted,
        report_only="--report-only" in facts.start.argv,
    )  # fmt: skip
    document.update({"integrity": source.verify(read), "cannot": list(source.cannot)})
    document["regraded"] = cast("list[Regraded]", told)
    return document


def workflow_lines(path: Path, document: Report, file: str) -> list[str]:
    """GitHub workflow commands for the findings of `document`, on the lines of the checklist `file`."""
    from evalkit.report.formats.github import workflow_commands

    return workflow_commands(document, file=file, loaded=open_source(path).checklist())


def strict(facts: Facts) -> bool:
    """Whether the run was asked to count warnings as failures."""
    return facts.start.strict


def render_as(name: str, doc: Report) -> str:
    """The document in one of the formats of `evalkit report --format`."""
    from evalkit.report.formats.write import rendered

    return rendered(name, doc)
