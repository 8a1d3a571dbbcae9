"""What cannot work, found before anything starts: by the license's and the hardware's own rules. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts, RunStart
from evalkit.findings import Finding, KnownBy, Status
from evalkit.gpu.declared import read_declared
from evalkit.gpu.facts import HardwareFacts
from evalkit.hub.facts import CandidateFacts
from evalkit.items.hardware.checks import FITS
from evalkit.items.hardware.decide import decide as decide_hardware
from evalkit.items.license.decide import decide as decide_license
from evalkit.quality.suite import facts_of
from evalkit.run.setup import Setup
from evalkit.text import one_line


def reasons(checklist: Checklist, candidate: CandidateFacts, setup: Setup) -> tuple[list[str], list[str]]:
    """Why a cell cannot end GO, and what is not decided yet: sentences of the license's and the hardware's findings."""
    now = datetime(2000, 1, 1, tzinfo=UTC)  # neither rule reads it
    facts = _facts(checklist, candidate, setup)
    found: list[Finding] = []
    if _asked(checklist, "license"):
        found += decide_license(checklist, facts, now)
    if _asked(checklist, "hardware"):
        found += [one for one in decide_hardware(checklist, facts, now) if one.id == FITS.id]
    failed = [_line(one) for one in found if one.counts and one.status is Status.FAIL and not _waived(checklist, one)]
    opened = [_line(one) for one in found if one.counts and one.status in (Status.INCONCLUSIVE, Status.ERROR)]
    return failed, list(dict.fromkeys(opened))


def _asked(checklist: Checklist, item: str) -> bool:
    part = checklist.items.license if item == "license" else checklist.items.hardware
    return part.required and part.not_applicable is None


def _waived(checklist: Checklist, finding: Finding) -> bool:
    """A finding that somebody accepts is the run's to decide, with its date and owner."""
    return any(waiver.finding == finding.id for waiver in checklist.waivers)


def _line(finding: Finding) -> str:
    return f"{finding.id}: {one_line(finding.summary, limit=240)}"


def _facts(checklist: Checklist, candidate: CandidateFacts, setup: Setup) -> Facts:
    """What is known of a run that did not begin: the model, the declared machine, prompts and tasks."""
    said = read_declared(checklist.items.hardware.declared)
    known = KnownBy.DECLARED if said.usable else None
    hardware = HardwareFacts(
        known_by=known, gpus=said.gpus, cpu_only=said.cpu_only, declared=said.text, notes=said.notes
    )
    start = RunStart(run_id="plan", started_at="", evalkit_version="", plan_sha256="", checklist_sha256="")
    return Facts(
        start=start, candidates=(candidate,), hardware=hardware, prompts=setup.prompts.facts,
        suites=tuple(facts_of(suite) for suite in setup.suites),
    )  # fmt: skip
