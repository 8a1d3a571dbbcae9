"""The document of a stored run, decided again as of the day it ended: the same run, the same bytes. Its replies may be
graded anew on the way: from the run alone, nothing is sent, nothing stored is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from evalkit.errors import UsageError
from evalkit.facts import Facts
from evalkit.importers.direct import load_suites
from evalkit.quality.case import Suite
from evalkit.quality.facts import Answer, SuiteFacts
from evalkit.quality.grading import regrade
from evalkit.quality.suite import facts_of
from evalkit.report.document.build import build
from evalkit.report.document.model import Report
from evalkit.report.document.model.origin import Regraded
from evalkit.report.formats.github import workflow_commands
from evalkit.stored.folder import Source
from evalkit.stored.open import open_source
from evalkit.verdict.decide import decide


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
    source = open_source(path)
    read = source.facts()
    facts, told = regraded(source, regrade, allow_exec=allow_exec) if regrade else (read, [])
    loaded = source.checklist()
    decision = decide(loaded.checklist, facts, facts.as_of, strict=facts.start.strict)
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
    return workflow_commands(document, file=file, loaded=open_source(path).checklist())


def regraded(source: Source, tasks: Sequence[Path], *, allow_exec: bool = False) -> tuple[Facts, list[dict[str, Any]]]:
    """The run's facts with new grades, and a record for each suite: hashes, and what could not be graded.

    A case whose request has changed since is unscored, as its stored reply answers another question; a new case has no
    reply; one that is gone is dropped.

    Raises:
        UsageError: a pack without texts, or a suite that the run does not hold.
        InputFileError: a suite that cannot be read.
    """
    if source.redacted:
        raise UsageError(
            "holds no replies: it was packed with --redact", where=str(source.path), hint="regrade the run folder"
        )
    facts, checklist = source.facts(), source.checklist().checklist
    suites, _ = load_suites(list(tasks), checklist.request)
    known = {suite.name: suite for suite in facts.suites}
    for suite in suites:
        if suite.name not in known:
            names = ", ".join(known) or "none"
            raise UsageError(f"suite {suite.name!r} is not in the run", where=suite.path, hint=f"the run has: {names}")
    answers, alone = (regrade(replies, suites, allow_exec=allow_exec) for replies in (facts.answers, facts.alone))
    new = {suite.name: suite for suite in suites}
    told = [_record(suite, known[suite.name], facts.answers, answers) for suite in suites]
    replaced = tuple(facts_of(new[old.name]) if old.name in new else old for old in facts.suites)
    update = {"answers": tuple(answers), "alone": tuple(alone), "suites": replaced}
    return facts.model_copy(update=update), told


def _record(suite: Suite, old: SuiteFacts, before: Sequence[Answer], after: Sequence[Answer]) -> dict[str, Any]:
    mine = [one for one in after if one.suite == suite.name]
    stored = {one.case_id for one in before if one.suite == suite.name}
    changed = {one.case_id for one in mine if [grade.grader for grade in one.grades] == ["request"]}
    return {
        "suite": suite.name,
        "sha256": suite.sha256,
        "run_sha256": old.sha256,
        "replies": len(mine),
        "changed_requests": sorted(changed),
        "without_reply": sorted(set(suite.by_id) - stored),
        "dropped": sorted(stored - set(suite.by_id)),
    }
