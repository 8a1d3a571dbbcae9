"""One model's license facts against a use, as `evalkit license --json` prints them. Pure."""

from __future__ import annotations

from typing import Any

from evalkit.checklist.schema import Use
from evalkit.findings import worst
from evalkit.hub.facts import CandidateFacts
from evalkit.items.license import of_candidate
from evalkit.items.license_terms import named

_FACETS = (
    "commercial",
    "modify",
    "redistribute",
    "user_cap",
    "revenue_cap",
    "use_restrictions",
    "purpose",
    "revocable",
)


def record(use: Use, candidate: CandidateFacts) -> dict[str, Any]:
    """The contract's object: model, revision, license fields, facets, obligations, status, reasons, evidence."""
    if candidate.error:
        status, reasons = "error", [candidate.error, *([candidate.hint] if candidate.hint else [])]
    else:
        found = of_candidate(use, candidate)
        status, reasons = worst([f.status for f in found]).value, [f"{f.id}: {f.summary}" for f in found]
    row = named(candidate).row
    card = candidate.card
    terms = row.terms.model_dump(mode="json") if row else {}
    return {
        "model": candidate.model,
        "revision": candidate.revision,
        "license": ", ".join(card.license) if card else None,
        "license_name": card.license_name if card else None,
        "license_link": card.license_link if card else None,
        "spdx": row.spdx if row else None,
        "facets": {name: terms.get(name, "unknown") for name in _FACETS},
        "obligations": list(row.obligations) if row else [],
        "status": status,
        "reasons": reasons,
        "evidence": [
            *([{"url": row.source, "date": row.date, "how_read": row.how_read}] if row else []),
            *({"name": text.name, "sha256": text.sha256} for text in (*candidate.texts, *candidate.license_texts)),
        ],
    }
