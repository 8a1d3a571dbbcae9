"""Item 1: may we use this exact variant as we intend? Decided by the license table, which is no lawyer."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime

from evalkit.checklist.schema import Checklist, Reading, Use
from evalkit.data import LicenseRow
from evalkit.facts import Facts
from evalkit.findings import SEVERITY, Check, Evidence, Finding, KnownBy, Status
from evalkit.hub.facts import CandidateFacts
from evalkit.items.license import checks as check
from evalkit.items.license.bases import of_bases
from evalkit.items.license.checks import CHECKS, USES, Facet
from evalkit.items.license.terms import Named, allowed, named
from evalkit.items.license.texts import consistent, contradiction, is_code, of_code, pinned

__all__ = ["CHECKS", "decide", "of_candidate"]


def decide(checklist: Checklist, facts: Facts, now: datetime) -> list[Finding]:
    """Findings on the candidate's license, and on the variants'."""
    del now
    item = checklist.items.license
    if item.provider_terms is not None:
        return _provider(checklist)
    if checklist.candidate is None:
        remedy = "give candidate.model, or --model; for a hosted service: items.license.provider_terms"
        return [check.IDENTIFIED.finding(Status.INCONCLUSIVE, "no candidate model is named", remedy=remedy)]
    candidate = facts.candidate
    if candidate is None or candidate.error:
        why = candidate.error if candidate and candidate.error else "its card was not read"
        summary = f"{checklist.candidate.model}: {why}"
        hint = candidate.hint if candidate else None
        return [
            check.IDENTIFIED.finding(Status.ERROR, summary, remedy=hint),
            *(c.finding(Status.ERROR, "the license was not read", remedy=hint) for c in _asked(checklist.use).values()),
        ]
    elsewhere = {text.sha256 for variant in facts.variants for text in variant.license_texts}
    found = of_candidate(checklist.use, candidate, item.readings, elsewhere=elsewhere)
    required = item.variants == "required"
    return found + [_variant(checklist.use, v, item.readings, counts=required) for v in facts.variants]


def _asked(use: Use) -> dict[Facet, Check]:
    return {facet: check_ for facet, check_ in USES.items() if getattr(use, facet)}


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
    why = contradiction(license_, candidate)
    found = [_identified(license_, reading, candidate)]
    for facet, use_check in _asked(use).items():
        status, summary = allowed(facet, license_, use, reading, contradicted=why)
        found.append(
            use_check.finding(
                status, summary, known_by=KnownBy.DECLARED, observed=license_.name, evidence=_sources(license_.row)
            )
        )
    if license_.row is not None:
        found.append(_purpose(license_.row, use))
    found += consistent(license_, candidate, readings)
    found += of_bases(candidate, use)
    found += of_code(license_, candidate, use)
    found.append(pinned(candidate))
    if candidate.gated in ("auto", "manual"):
        closed = (
            ", and this account has no access: only the card's public fields were read"
            if candidate.access_denied
            else ""
        )
        text = f"access is gated ({candidate.gated}){closed}"
        found.append(check.GATED.finding(Status.WARN, text, known_by=KnownBy.OBSERVED))
    if candidate.remote_code:
        files = ", ".join(candidate.remote_code)
        text = f"needs remote code: {files}; its license is a question of its own"
        found.append(check.REMOTE.finding(Status.WARN, text, known_by=KnownBy.DECLARED))
    return found + stale


def _reading(
    candidate: CandidateFacts, readings: list[Reading], elsewhere: AbstractSet[str]
) -> tuple[Reading | None, list[Finding]]:
    """The latest reading of a text at hand, and findings on those that no longer fit."""
    hashes = {text.sha256 for text in candidate.license_texts}
    weights = {text.sha256 for text in candidate.license_texts if not is_code(text)}
    commit = candidate.commit or candidate.revision or ""
    fitting = [r for r in readings if r.text_sha256 in hashes]
    moved = [r for r in fitting if r.revision and r.revision != commit]
    lost = [r for r in readings if r.text_sha256 not in hashes | elsewhere]
    current = [r for r in fitting if r not in moved and r.text_sha256 in weights]
    stale = [
        f"{r.by}'s of {r.date} was of commit {(r.revision or '')[:12]}, this is {commit[:12] or 'unknown'}"
        for r in moved
    ]
    stale += [f"{r.by}'s of {r.date} is of text {r.text_sha256[:12]}, which is not here" for r in lost]
    found = [
        check.STALE.finding(
            Status.INCONCLUSIVE, f"a recorded reading fits no license text at this commit: {'; '.join(stale)}"
        )
    ]
    return max(current, key=lambda r: r.date, default=None), found if stale else []


def _sources(row: LicenseRow | None) -> tuple[Evidence, ...]:
    return (Evidence(url=row.source, note=f"text of {row.date}, {row.how_read}"),) if row else ()


def _facets(row: LicenseRow | None) -> dict[str, object]:
    """For the table that sets variants side by side."""
    terms = row.terms if row else None
    return {
        "license": row.name if row else None,
        **{facet: getattr(terms, facet) if terms else "unknown" for facet in USES},
    }


def _identified(license_: Named, reading: Reading | None, candidate: CandidateFacts) -> Finding:
    cards = tuple(Evidence(path=t.path, sha256=t.sha256, note=t.name) for t in candidate.texts if t.name == "README.md")
    if license_.row is not None:
        row = license_.row
        text = f"{row.name}, as the card names it (table's text of {row.date}, {row.how_read.replace('-', ' ')})"
        return check.IDENTIFIED.finding(
            Status.PASS, text, known_by=KnownBy.DECLARED, observed=license_.name,
            evidence=(*cards, *_sources(row)),
            data={"obligations": list(row.obligations), "source": row.source, **_facets(row)},
        )  # fmt: skip
    if reading is not None:
        text = f"read by {reading.by} on {reading.date}: {reading.note or 'no note'}"
        return check.IDENTIFIED.finding(Status.PASS, text, known_by=KnownBy.DECLARED, evidence=cards)
    return check.IDENTIFIED.finding(Status.INCONCLUSIVE, f"{license_.problem}", observed=license_.name, evidence=cards)


def _purpose(row: LicenseRow, use: Use) -> Finding:
    can = {
        "any": True,
        "non-commercial": not use.commercial,
        "research-evaluation": use.purpose in ("research", "evaluation") and not use.commercial,
        "internal-research": use.purpose == "research" and not use.commercial,
    }.get(row.terms.purpose)
    if can is None:
        return check.PURPOSE.finding(Status.INCONCLUSIVE, f"{row.name}: the table does not say for which purposes")
    word = "allows" if can else f"is for {row.terms.purpose} use: it does not allow"
    commercial = "commercial " if use.commercial else ""
    return check.PURPOSE.finding(
        Status.PASS if can else Status.FAIL,
        f"{row.name} {word} {commercial}{use.purpose} use",
        known_by=KnownBy.DECLARED,
    )


def _variant(use: Use, candidate: CandidateFacts, readings: list[Reading], *, counts: bool) -> Finding:
    """One line on another variant: its worst answer. A reading counts where the text is the same, byte for byte."""
    if candidate.error:
        return check.VARIANTS.finding(
            Status.ERROR, candidate.error, variant=candidate.model, counts=counts, remedy=candidate.hint
        )
    own = {text.sha256 for text in candidate.license_texts}
    fitting = [r for r in readings if r.text_sha256 in own and not r.revision]
    left_out = ("license.text-pinned", "license.remote-code")
    found = [f for f in of_candidate(use, candidate, fitting) if f.id not in left_out]
    worst = min(found, key=lambda f: SEVERITY.index(f.status))
    return check.VARIANTS.finding(
        worst.status, f"{candidate.model}: {worst.summary}", variant=candidate.model, counts=counts,
        observed=named(candidate.card).name, known_by=KnownBy.DECLARED, evidence=worst.evidence,
        data={"findings": {f.id: f.status.value for f in found}, **_facets(named(candidate.card).row)},
    )  # fmt: skip


def _provider(checklist: Checklist) -> list[Finding]:
    """A hosted service's terms, as the buyer read them. They speak of commercial use only."""
    terms = checklist.items.license.provider_terms
    assert terms is not None
    found = []
    for facet, use_check in _asked(checklist.use).items():
        if facet == "commercial":
            status = Status.PASS if terms.commercial else Status.FAIL
            word = "allow" if terms.commercial else "do not allow"
            summary = f"the provider's terms {word} it, read by {terms.by} on {terms.date}"
        else:
            status, summary = (
                Status.INCONCLUSIVE,
                f"the recorded provider's terms do not say whether they allow to {facet}",
            )
        found.append(use_check.finding(status, summary, known_by=KnownBy.DECLARED, observed=terms.url))
    if not found:
        summary = f"no commercial use, change or redistribution is asked for; terms read by {terms.by} on {terms.date}"
        found.append(check.IDENTIFIED.finding(Status.PASS, summary, known_by=KnownBy.DECLARED, observed=terms.url))
    return found
