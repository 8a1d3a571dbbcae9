"""One model's license facts against a use, as `evalkit license --json` prints them. Pure."""

from __future__ import annotations

from typing import Any

from evalkit.checklist.schema import Reading, Use
from evalkit.findings import Finding, Status, worst
from evalkit.hub.facts import CandidateFacts
from evalkit.items.license.decide import of_candidate
from evalkit.items.license.terms import named

_FACETS = (
    "commercial",
    "modify",
    "redistribute",
    "user_cap",
    "revenue_cap",
    "use_restrictions",
    "purpose",
    "output_terms",
    "patent_litigation",
    "revocable",
)


def fitting(readings: list[Reading], candidate: CandidateFacts, others: list[CandidateFacts]) -> list[Reading]:
    """Readings for one of several models: without those that are of a text of another one only."""
    own = {text.sha256 for text in candidate.license_texts}
    elsewhere = {text.sha256 for other in others for text in other.license_texts}
    return [r for r in readings if r.text_sha256 in own or r.text_sha256 not in elsewhere]


def findings_of(use: Use, candidate: CandidateFacts, readings: list[Reading] | None = None) -> list[Finding]:
    """Those of a model that was read; none for one that was not."""
    return [] if candidate.error else of_candidate(use, candidate, readings)


def record(use: Use, candidate: CandidateFacts, readings: list[Reading] | None = None) -> dict[str, Any]:
    """The contract's object: model, revision, license fields, facets, obligations, status, reasons, evidence."""
    found = findings_of(use, candidate, readings)
    if candidate.error:
        status, reasons = Status.ERROR.value, [candidate.error, *([candidate.hint] if candidate.hint else [])]
    else:
        status, reasons = worst([f.status for f in found]).value, [f"{f.id}: {f.summary}" for f in found]
    row = named(candidate.card).row
    card = candidate.card
    terms = row.terms.model_dump(mode="json") if row else {}
    return {
        "model": candidate.model,
        "revision": candidate.revision,
        **({"record": candidate.record} if candidate.record else {}),
        "license": ", ".join(card.license) if card else None,
        "license_name": card.license_name if card else None,
        "license_link": card.license_link if card else None,
        "spdx": (row.spdx if row else None) or (card.spdx if card else None),
        "facets": {name: terms.get(name, "unknown") for name in _FACETS},
        "obligations": list(row.obligations) if row else [],
        "status": status,
        "reasons": reasons,
        "evidence": _evidence(candidate),
    }


def _evidence(candidate: CandidateFacts) -> list[dict[str, Any]]:
    """The table's source; then every text that was read, with its hash and where it is kept."""
    row = named(candidate.card).row
    texts = [
        {
            "name": text.name, "sha256": text.sha256, "origin": text.origin,
            **({"path": text.path} if text.path else {}), **({"url": text.url} if text.url else {}),
            **({"date": text.taken_at} if text.taken_at else {}),
        }
        for text in (*candidate.texts, *candidate.license_texts)
    ]  # fmt: skip
    bases = [
        {
            "name": f"{base.model} README.md",
            "sha256": base.text.sha256,
            "origin": "repository",
            "revision": base.revision,
        }
        for base in candidate.bases
        if base.text
    ]
    table = [{"url": row.source, "date": row.date, "how_read": row.how_read}] if row else []
    return [*table, *texts, *bases]
