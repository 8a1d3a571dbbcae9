"""The report document: everything that the renderers show, from facts and the decision alone.

The shape is report.json (schema in evalkit/data/report.schema.json, additive within a major). Same run, same decision:
same document. No clock, no environment.
"""

from __future__ import annotations

import math
from typing import Any, cast

from evalkit.checklist.schema import Checklist
from evalkit.explain.catalogue import checks
from evalkit.facts import Facts
from evalkit.findings import Finding
from evalkit.redaction import bare_name, masked, without_texts
from evalkit.report.document import modes as modes_part
from evalkit.report.document import provenance, vendor
from evalkit.report.document import quality as quality_part
from evalkit.report.document.limits import limits, not_shown
from evalkit.report.document.model import Report
from evalkit.secrets import redact
from evalkit.verdict.results import Decision

SCHEMA_VERSION = 1
#: prompts listed with their own speed-up; prompts.csv lists all
MOST_PROMPTS = 5_000


def build(
    checklist: Checklist,
    facts: Facts,
    decision: Decision,
    *,
    redact_prompts: bool = False,
    without: bool = False,
    report_only: bool = False,
) -> Report:
    """report.json of a run, rounded to six significant digits; a figure that is not finite is null.

    With `redact_prompts` the run is decided again from facts without texts, as of its end: whatever a finding, reason
    or table quotes was never in what it was made from. `without`: these are such facts already.
    """
    if redact_prompts and not without:
        from evalkit.verdict.decide import decide

        facts = without_texts(facts)
        decision = decide(checklist, facts, facts.as_of, strict=decision.strict)
    modes = modes_part.modes(checklist, facts, decision)
    incumbent = modes_part.incumbent(checklist, facts)
    prompts = modes_part.prompts(checklist, facts)
    document = {
        "schema_version": SCHEMA_VERSION,
        "evalkit_version": facts.start.evalkit_version,
        "other_versions": facts.other_versions(),
        "run_id": facts.start.run_id,
        "started_at": facts.start.started_at,
        "finished_at": facts.end.finished_at if facts.end else None,
        "simulated": facts.start.simulated,
        "redacted": redact_prompts,
        "report_only": report_only,
        "interrupted": facts.end.interrupted if facts.end else True,
        "stopped_by": facts.end.stopped_by if facts.end else None,
        "checklist": {
            "name": checklist.name,
            "sha256": facts.start.checklist_sha256,
            "profile": decision.profile,
            "strict": decision.strict,
        },
        "candidate": provenance.candidate(checklist, facts),
        "use": checklist.use.model_dump(mode="json"),
        "verdict": decision.verdict,
        "exit_code": decision.exit_code,
        "recommended_mode": decision.recommended_mode,
        "reasons": list(decision.reasons),
        "versus_incumbent": decision.incumbent,
        "next_steps": list(decision.next_steps),
        "items": [_item(item) for item in decision.items],
        "baseline": checklist.baseline.model_dump(mode="json"),
        "decided_at_concurrency": checklist.items.modes.level,
        "modes": modes,
        "incumbent": incumbent,
        **({"sweep": facts.sweep.model_dump(mode="json", exclude={"template_sha256"})} if facts.sweep else {}),
        "frontier": modes_part.frontier(checklist, facts),
        "quality": quality_part.quality(checklist, facts, decision, redact_prompts=redact_prompts),
        "lengths": quality_part.lengths(checklist, facts),
        "context_probes": [_probe(facts.context_probes[name]) for name in sorted(facts.context_probes)],
        "prompts_total": len(prompts),
        "prompts": prompts[:MOST_PROMPTS],
        "timelines": modes_part.timelines(checklist, facts, [row["prompt_id"] for row in prompts]),
        "vendor_claims": vendor.vendor_claims(provenance.candidate(checklist, facts)["model"], facts, modes),
        "gpus": provenance.gpus(facts),
        "witness": provenance.witness(facts),
        "waivers": [_jsonable(waiver) for waiver in decision.waivers],
        "not_shown": not_shown(checklist, facts, decision),
        "limits": limits(checklist, facts),
        "integrity": [],
        "cannot": [],
        "regraded": [],
        "provenance": provenance.provenance(checklist, facts),
        "reproduce": provenance.reproduce(facts),
    }
    names = _local_names(facts)
    kept = document.pop("reproduce")  # a command stays as it was typed
    clean: dict[str, Any] = scrub(_named(document, names) if names else document) | {"reproduce": scrub(kept)}
    return cast("Report", masked(clean) if redact_prompts else clean)


def essence(checklist: Checklist, facts: Facts, decision: Decision) -> dict[str, Any]:
    """What a page of many runs needs of the document of each: the verdict with its reasons, modes, claims and GPUs."""
    modes = modes_part.modes(checklist, facts, decision)
    document = {
        "started_at": facts.start.started_at,
        "simulated": facts.start.simulated,
        "interrupted": facts.end.interrupted if facts.end else True,
        "checklist_sha256": facts.start.checklist_sha256,
        "verdict": decision.verdict,
        "recommended_mode": decision.recommended_mode,
        "reasons": list(decision.reasons),
        "decided_at_concurrency": checklist.items.modes.level,
        "modes": modes,
        "vendor_claims": vendor.vendor_claims(provenance.candidate(checklist, facts)["model"], facts, modes),
        "gpus": provenance.gpus(facts),
    }
    names = _local_names(facts)
    found: dict[str, Any] = scrub(_named(document, names) if names else document)
    return found


def _local_names(facts: Facts) -> dict[str, str]:
    """Models in folders of this machine by their bare names: a report says nothing of the folders above them."""
    paths = {c.model for c in facts.candidates if c.kind == "folder"}
    paths |= {c.asked for c in facts.candidates if c.asked and c.kind != "hub"}
    return {path: bare_name(path) for path in sorted(paths, key=len, reverse=True) if "/" in path}


def _named(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str):
        for path, name in names.items():
            value = value.replace(path, name)
        return value
    if isinstance(value, dict):
        return {key: _named(one, names) for key, one in value.items()}
    return [_named(one, names) for one in value] if isinstance(value, (list, tuple)) else value


def _item(item: Any) -> dict[str, Any]:
    return {
        "id": item.id,
        "status": item.status.value,
        "required": item.required,
        "summary": item.summary,
        "findings": [finding_document(f) for f in item.findings],
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """A finding as report.json holds it: contract fields always, optional ones when they say something."""
    document: dict[str, Any] = {
        "id": finding.id,
        "title": _title(finding.id),
        "status": finding.status.value,
        "outcome": finding.outcome or finding.status.value,
        "counts": finding.counts,
        "summary": finding.summary,
        "observed": finding.observed,
        "threshold": finding.threshold,
        "known_by": finding.known_by.value if finding.known_by else None,
        "evidence": [e.model_dump(mode="json", exclude_none=True) for e in finding.evidence],
    }
    optional = {
        "mode": finding.mode,
        "variant": finding.variant,
        "remedy": finding.remedy,
        "original_status": finding.original_status.value if finding.original_status else None,
        "data": _jsonable(finding.data),
    }
    document.update({key: value for key, value in optional.items() if value})
    return document


def _title(check_id: str) -> str:
    check = checks().get(check_id)
    return check.title if check else check_id


def _probe(probe: Any) -> dict[str, Any]:
    document: dict[str, Any] = probe.model_dump(mode="json")
    return document


def _jsonable(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_jsonable(v) for v in value)
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def scrub(value: Any) -> Any:
    """`value` as it may be written: secrets masked, floats finite and rounded to six significant digits."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: scrub(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [scrub(v) for v in value]
    return redact(str(value))
