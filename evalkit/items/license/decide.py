"""Item 1: may we use this exact variant as we intend? Decided by the license table, which is not a lawyer."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime

from evalkit.checklist.schema import Checklist, Reading, Use
from evalkit.data.models import LicenseRow
from evalkit.facts import Facts
from evalkit.findings import SEVERITY, Check, Evidence, Finding, KnownBy, Status
from evalkit.hub.facts import CandidateFacts
from evalkit.items.license import checks as check
from evalkit.items.license import words
from evalkit.items.license.bases import of_bases
from evalkit.items.license.terms import Named, allowed, named
from evalkit.items.license.texts import README, consistent, contradiction, is_code, of_code, pinned

#: what the worst finding on a variant makes of it
_VARIANT = {
    Status.PASS: "allows",
    Status.NOT_APPLICABLE: "allows",
    Status.WARN: "allows-with-care",
    Status.FAIL: "forbids",
}


def decide(checklist: Checklist, facts: Facts, _now: datetime) -> list[Finding]:
    """Findings on the candidate's license, and on the variants'."""
    item = checklist.items.license
    if item.provider_terms is not None:
        return _provider(checklist)
    if checklist.candidate is None:
        return [check.IDENTIFIED.found(words.Identified(outcome="no-candidate"))]
    candidate = facts.candidate
    if candidate is None or candidate.error:
        hint = candidate.hint if candidate else None
        values = words.Identified(
            outcome="not-read",
            model=checklist.candidate.model,
            problem=candidate.error if candidate else None,
            hint=hint,
        )
        unread = [(one, words.UseAllowed(outcome="not-read", facet=facet, hint=hint))
                  for facet, one in _asked(checklist.use).items()]  # fmt: skip
        return [check.IDENTIFIED.found(values), *(one.found(said) for one, said in unread)]
    elsewhere = {text.sha256 for variant in facts.variants for text in variant.license_texts}
    found = of_candidate(checklist.use, candidate, item.readings, elsewhere=elsewhere)
    required = item.variants == "required"
    return found + [_variant(checklist.use, v, item.readings, counts=required) for v in facts.variants]


def _asked(use: Use) -> dict[words.Facet, Check]:
    return {facet: check_ for facet, check_ in check.USES.items() if getattr(use, facet)}


def of_candidate(
    use: Use,
    candidate: CandidateFacts,
    readings: list[Reading] | None = None,
    *,
    elsewhere: AbstractSet[str] = frozenset(),
) -> list[Finding]:
    """Findings on one model that was read. `elsewhere`: hashes of the texts of other models that readings may be of."""
    readings = readings or []
    license_ = named(candidate.card)
    reading, stale = _reading(candidate, readings, elsewhere)
    found = [_identified(license_, reading, candidate)]
    for facet, use_check in _asked(use).items():
        why = contradiction(license_, candidate, facet, use)
        answer = allowed(facet, license_, use, reading, contradicted=why)
        found.append(use_check.found(answer, known_by=KnownBy.DECLARED, evidence=_sources(license_.row)))
    if license_.row is not None:
        found.append(_purpose(license_.row, use))
    found += consistent(license_, candidate, use, readings)
    found += of_bases(candidate, use)
    found += of_code(license_, candidate, use)
    if not candidate.record or candidate.license_texts:  # whether a repository has a text is not in its record
        found.append(pinned(candidate))
    if candidate.record:
        shipped = words.ShippedRecord(model=candidate.model, date=candidate.record)
        found.append(check.RECORD.found(shipped, known_by=KnownBy.THIRD_PARTY_REPORTED))
    if candidate.gated in ("auto", "manual"):
        gated = words.Gated(outcome="no-access" if candidate.access_denied else "gated", kind=candidate.gated)
        found.append(check.GATED.found(gated, known_by=KnownBy.OBSERVED))
    if candidate.remote_code:
        code = words.RemoteCode(files=tuple(candidate.remote_code))
        found.append(check.REMOTE.found(code, known_by=KnownBy.DECLARED))
    return found + stale


def _reading(
    candidate: CandidateFacts, readings: list[Reading], elsewhere: AbstractSet[str]
) -> tuple[Reading | None, list[Finding]]:
    """The latest reading of a text at hand, and findings on those that no longer fit."""
    hashes = {text.sha256 for text in candidate.license_texts}
    card = {text.sha256 for text in candidate.texts if text.name == README}
    hashes |= card
    weights = {text.sha256 for text in candidate.license_texts if not is_code(text)} | card
    commit = candidate.commit or candidate.revision or ""
    fitting = [r for r in readings if r.text_sha256 in hashes]
    moved = [r for r in fitting if r.revision and r.revision != commit]
    lost = [r for r in readings if r.text_sha256 not in hashes | elsewhere]
    current = [r for r in fitting if r not in moved and r.text_sha256 in weights]
    stale = [
        words.StaleReading(r.by, str(r.date), r.text_sha256[:12], (r.revision or "")[:12] if r in moved else None)
        for r in (*moved, *lost)
    ]
    found = [check.STALE.found(words.Stale(commit=commit[:12], readings=tuple(stale)))] if stale else []
    return max(current, key=lambda r: r.date, default=None), found


def _sources(row: LicenseRow | None) -> tuple[Evidence, ...]:
    return (Evidence(url=row.source, note=words.table_note(row.date, row.how_read)),) if row else ()


def _facets(row: LicenseRow | None) -> dict[str, str | None]:
    """For the table that sets variants side by side."""
    terms = row.terms if row else None
    answers = {str(facet): getattr(terms, facet) if terms else "unknown" for facet in check.USES}
    return {"license": row.name if row else None, **answers}


def _identified(license_: Named, reading: Reading | None, candidate: CandidateFacts) -> Finding:
    cards = tuple(Evidence(path=t.path, sha256=t.sha256, note=t.name) for t in candidate.texts if t.name == "README.md")
    if license_.row is not None:
        row = license_.row
        values = words.Identified.model_validate({
            "outcome": "in-table", "stated": license_.name, "by_record": candidate.record is not None,
            "known": row.how_read.replace("-", " "), "date": row.date,
            "obligations": row.obligations, "source": row.source, **_facets(row),
        })  # fmt: skip
        return check.IDENTIFIED.found(values, known_by=KnownBy.DECLARED, evidence=(*cards, *_sources(row)))
    if reading is not None:
        values = words.Identified(outcome="read", reader=reading.by, date=str(reading.date), note=reading.note)
        return check.IDENTIFIED.found(values, known_by=KnownBy.DECLARED, evidence=cards)
    values = words.Identified(outcome="not-known", problem=str(license_.problem), stated=license_.name)
    return check.IDENTIFIED.found(values, evidence=cards)


def _purpose(row: LicenseRow, use: Use) -> Finding:
    can = {
        "any": True,
        "non-commercial": not use.commercial,
        "research-evaluation": use.purpose in ("research", "evaluation") and not use.commercial,
        "internal-research": use.purpose == "research" and not use.commercial,
    }.get(row.terms.purpose)
    values = words.Purpose(
        outcome="not-known" if can is None else "allowed" if can else "forbidden", license=row.name,
        purpose=use.purpose, commercial_use=bool(use.commercial), allowed_purpose=row.terms.purpose,
    )  # fmt: skip
    return check.PURPOSE.found(values, known_by=None if can is None else KnownBy.DECLARED)


def _variant(use: Use, candidate: CandidateFacts, readings: list[Reading], *, counts: bool) -> Finding:
    """One line on another variant: its worst answer. A reading counts where the text is the same, byte for byte."""
    if candidate.error:
        unread = words.Variant(outcome="not-read", model=candidate.model, quoted=candidate.error, hint=candidate.hint)
        return check.VARIANTS.found(unread, variant=candidate.model, counts=counts)
    own = {text.sha256 for text in candidate.license_texts}
    fitting = [r for r in readings if r.text_sha256 in own and not r.revision]
    left_out = (check.PINNED.id, check.REMOTE.id)
    found = [f for f in of_candidate(use, candidate, fitting) if f.id not in left_out]
    worst = min(found, key=lambda f: SEVERITY.index(f.status))
    values = words.Variant.model_validate({
        "outcome": _VARIANT.get(worst.status, "open"), "model": candidate.model, "quoted": worst.summary,
        "stated": named(candidate.card).name, "findings": {f.id: f.status.value for f in found},
        **_facets(named(candidate.card).row),
    })  # fmt: skip
    return check.VARIANTS.found(
        values, variant=candidate.model, counts=counts, known_by=KnownBy.DECLARED, evidence=worst.evidence
    )


def _provider(checklist: Checklist) -> list[Finding]:
    """A hosted service's terms, as the buyer read them. They are about commercial use only."""
    terms = checklist.items.license.provider_terms
    assert terms is not None
    by = {"reader": terms.by, "date": str(terms.date), "url": terms.url}
    spoken = "provider-allows" if terms.commercial else "provider-forbids"
    found = [
        one.found(
            words.UseAllowed.model_validate({
                "outcome": spoken if facet == "commercial" else "provider-silent", "facet": facet, **by
            }), known_by=KnownBy.DECLARED,
        )
        for facet, one in _asked(checklist.use).items()
    ]  # fmt: skip
    if not found:
        values = words.Identified.model_validate({"outcome": "provider", **by})
        found.append(check.IDENTIFIED.found(values, known_by=KnownBy.DECLARED))
    return found
