"""What is known before any server is asked: card, configuration, license sources, the devices of this machine."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from evalkit.findings import CANDIDATE_ITEMS, Status
from evalkit.hub.facts import CandidateFacts
from evalkit.modes import INCUMBENT
from evalkit.run.recorder import Recorder


def read_candidate(run: Recorder) -> None:
    """Card, configuration and license sources of the candidate and its variants."""
    from evalkit import hub
    from evalkit.checklist.files import resolve

    chosen, text = run.checklist.candidate, run.checklist.items.license.text
    if chosen is None:
        return
    known = run.facts
    evidence = run.folder.evidence
    if known.candidate is None:
        run.say("license", f"reading {chosen.model}")
        given = resolve(run.setup.loaded.folder, text) if text else None
        model = _located(run, chosen.model)
        read = hub.collect(model, revision=chosen.revision, evidence_dir=evidence, license_text=given)
        run.keep(_as_asked(read, chosen.model, model))
    for variant in chosen.variants[len(known.variants) :]:  # they are read in order
        model = _located(run, variant)
        run.keep(_as_asked(hub.collect(model, role="variant", evidence_dir=evidence), variant, model))


def _located(run: Recorder, model: str) -> str:
    """A folder or snapshot next to the checklist, as a path without `..`; else the Hub id as it is."""
    beside = run.setup.loaded.folder / model
    return os.path.normpath(beside) if beside.exists() else model


def _as_asked(read: CandidateFacts, written: str, located: str) -> CandidateFacts:
    """With the path as the checklist writes it: the gate compares that, on any machine."""
    return read if located == written else read.model_copy(update={"asked": written})


def look_at_hardware(run: Recorder) -> None:
    from evalkit.gpu.nvml import collect

    declared = run.checklist.items.hardware.declared
    known = run.facts.endpoints
    endpoints = {} if run.setup.simulated else {label: e for label, e in known.items() if label != INCUMBENT}
    run.say("hardware", "looking at this machine")
    run.keep(collect(declared=declared, endpoints=endpoints))


def goes_on(run: Recorder) -> bool:
    """A required candidate item that fails already stops the run before any timed request."""
    from evalkit.verdict.decide import gather

    if run.setup.keep_going:
        return True
    facts = run.facts
    for item in CANDIDATE_ITEMS:
        found = gather(item, run.checklist, facts, datetime.now(UTC))
        failed = [f for f in found if f.counts and f.mode is None and f.status is Status.FAIL]
        if failed and run.checklist.required(item):
            run.stopped = f"{failed[0].id} fails already; --keep-going measures anyway"
            return False
    return True
