"""Item 1: may we use this exact variant as we intend? Decided by the license table, not legal advice."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from evalkit.checklist.schema import Checklist, Reading, Use
from evalkit.data import LicenseRow
from evalkit.findings import SEVERITY, Check, Finding, KnownBy, Status
from evalkit.hub.facts import CandidateFacts, TextFile
from evalkit.items.license_terms import Named, named
from evalkit.run.facts import Facts

Facet = Literal["commercial", "modify", "redistribute"]
_READ = "read the license text at the pinned commit and record it under items.license.readings"

IDENTIFIED = Check(
    "license.identified",
    "The license is identified",
    "A family name, `other` or nothing at all grants no right that could be checked.",
    _READ,
)
USES: dict[Facet, Check] = {
    "commercial": Check(
        "license.commercial-use", "Commercial use is allowed", "Variants of one family carry different terms.", _READ
    ),
    "modify": Check(
        "license.modify", "Modification is allowed", "Fine-tuning and quantising make a derived work.", _READ
    ),
    "redistribute": Check(
        "license.redistribute", "Redistribution is allowed", "Shipping weights to customers is redistribution.", _READ
    ),
}
PURPOSE = Check(
    "license.purpose", "The purpose is allowed", "Some licenses allow research or evaluation only.",
    "choose a variant whose license allows the purpose, or change `use.purpose`",
)  # fmt: skip
PINNED = Check(
    "license.text-pinned", "The license text is pinned by the repository",
    "A link without a version can change after the decision.", "keep a dated copy of the text you relied on",
)  # fmt: skip
GATED = Check(
    "license.gated", "Access is not gated", "Gated access is granted to a user and can be withdrawn.",
    "make sure that your organisation keeps its access",
)  # fmt: skip
REMOTE = Check(
    "license.remote-code", "No remote code is needed", "Remote code runs with your rights and its own license.",
    "review the named files at the pinned commit before trusting them",
)  # fmt: skip
CONSISTENT = Check(
    "license.consistent", "Card and license file name the same license",
    "Where they differ, the table's answer for the card's name says nothing about the text that binds you.",
    "read the file, record it under items.license.readings, and ask the publisher which of the two applies",
)  # fmt: skip
STALE = Check(
    "license.reading", "Recorded readings fit the text", "A reading is bound to the text that was read.",
    "read the present text and record its hash",
)  # fmt: skip
VARIANTS = Check(
    "license.variant-use", "Another variant allows the use", "Terms differ between variants of a family.",
    "check the variant's own card before switching to it",
)  # fmt: skip
CHECKS = (IDENTIFIED, *USES.values(), PURPOSE, CONSISTENT, PINNED, GATED, REMOTE, STALE, VARIANTS)


def decide(checklist: Checklist, facts: Facts, now: datetime) -> list[Finding]:
    """Findings on the candidate's license, and on the variants'."""
    del now
    item = checklist.items.license
    if item.provider_terms is not None:
        return _provider(checklist)
    if checklist.candidate is None:
        return [
            IDENTIFIED.finding(
                Status.INCONCLUSIVE, "no candidate model is named", remedy="give candidate.model, or --model"
            )
        ]
    candidate = facts.candidate
    if candidate is None or candidate.error:
        why = candidate.error if candidate and candidate.error else "its card was not read"
        summary = f"{checklist.candidate.model}: {why}"
        hint = candidate.hint if candidate else None
        return [
            IDENTIFIED.finding(Status.ERROR, summary, remedy=hint),
            *(c.finding(Status.ERROR, "the license was not read", remedy=hint) for c in _asked(checklist.use).values()),
        ]
    found = of_candidate(checklist.use, candidate, item.readings)
    required = item.variants == "required"
    return found + [_variant(checklist.use, v, counts=required) for v in facts.variants]


def _asked(use: Use) -> dict[Facet, Check]:
    return {facet: check for facet, check in USES.items() if getattr(use, facet)}


def of_candidate(use: Use, candidate: CandidateFacts, readings: list[Reading] | None = None) -> list[Finding]:
    """Findings on one model that was read."""
    readings = readings or []
    license_ = named(candidate)
    hashes = {text.sha256 for text in candidate.license_texts}
    reading = next((r for r in readings if r.text_sha256 in hashes), None)
    other = _other_text(license_, candidate)
    found = [_identified(license_, reading)]
    for facet, check in _asked(use).items():
        status, summary = _allowed(facet, license_, use, reading, contradicted=other is not None)
        found.append(check.finding(status, summary, known_by=KnownBy.DECLARED, observed=license_.name))
    if license_.row is not None:
        found.append(_purpose(license_.row, use))
    if license_.row is not None and other is not None:
        found.append(_contradiction(license_.row, other, read=other.sha256 in {r.text_sha256 for r in readings}))
    found.append(_pinned(candidate))
    if candidate.gated in ("auto", "manual"):
        found.append(GATED.finding(Status.WARN, f"access is gated ({candidate.gated})", known_by=KnownBy.OBSERVED))
    if candidate.remote_code:
        files = ", ".join(candidate.remote_code)
        found.append(REMOTE.finding(Status.WARN, f"needs remote code: {files}", known_by=KnownBy.DECLARED))
    if any(r.text_sha256 not in hashes for r in readings):
        found.append(STALE.finding(Status.INCONCLUSIVE, "a recorded reading fits no license text at this commit"))
    return found


def _identified(license_: Named, reading: Reading | None) -> Finding:
    if license_.row is not None:
        row = license_.row
        return IDENTIFIED.finding(
            Status.PASS, f"{row.name}, as the card names it (table of {row.date})", known_by=KnownBy.DECLARED,
            observed=license_.name, data={"obligations": list(row.obligations), "source": row.source},
        )  # fmt: skip
    if reading is not None:
        return IDENTIFIED.finding(Status.PASS, f"read by {reading.by} on {reading.date}", known_by=KnownBy.DECLARED)
    return IDENTIFIED.finding(Status.INCONCLUSIVE, f"{license_.problem}", observed=license_.name)


def _allowed(
    facet: Facet, license_: Named, use: Use, reading: Reading | None, *, contradicted: bool
) -> tuple[Status, str]:
    """Whether one use is allowed. A reading decides what the table cannot; it lifts neither a `no` nor a cap."""
    read = getattr(reading, facet) if reading else None
    row = license_.row
    answer = getattr(row.terms, facet) if row else "unknown"
    if row is not None and answer == "no":
        return Status.FAIL, f"{row.name} does not allow it"
    if reading is not None and read is False:
        return Status.FAIL, f"{reading.by} read on {reading.date} that the text does not allow it"
    over, unknown = _caps(row, use) if row is not None else (None, None)
    if over or unknown:
        return (Status.FAIL, over) if over else (Status.INCONCLUSIVE, str(unknown))
    if reading is not None and read:
        return Status.PASS, f"{reading.by} read on {reading.date} that the text allows it"
    if row is None:
        return Status.INCONCLUSIVE, f"unknown: {license_.problem}"
    if contradicted:
        return Status.INCONCLUSIVE, f"the card names {row.name}, the license file is another text"
    if answer == "yes" or (answer == "conditional" and not row.terms.conditions.get(facet)):
        return Status.PASS, f"{row.name} allows it"
    why = "; ".join(row.terms.conditions.get(facet, ())) or row.to_read or "the table does not say"
    return Status.INCONCLUSIVE, f"{row.name}: {why}"


def _caps(row: LicenseRow, use: Use) -> tuple[str | None, str | None]:
    """(why the caps forbid the use, why they cannot be checked). A cap that is passed comes before one not checked."""
    caps = (
        (row.terms.user_cap, use.monthly_users, "monthly_users"),
        (row.terms.revenue_cap, use.revenue_usd, "revenue_usd"),
    )
    over = [
        f"use.{what} {value:,.0f} is not below the license's limit of {cap:,.0f}"
        for cap, value, what in caps
        if cap is not None and value is not None and value >= cap
    ]
    unknown = [
        f"{row.name} has a limit of {cap:,.0f} ({what}): give use.{what}"
        for cap, value, what in caps
        if cap is not None and value is None
    ]
    return next(iter(over), None), next(iter(unknown), None)


def _license_files(candidate: CandidateFacts) -> list[TextFile]:
    """License texts proper: a NOTICE may speak of other works."""
    names = ("LICENSE", "LICENCE", "COPYING")
    return [t for t in candidate.license_texts if t.origin == "given" or t.name.upper().startswith(names)]


def _other_text(license_: Named, candidate: CandidateFacts) -> TextFile | None:
    """A license file that the table recognises as another license than the card names."""
    if license_.row is None:
        return None
    return next((t for t in _license_files(candidate) if t.matches and license_.row.id not in t.matches), None)


def _contradiction(row: LicenseRow, other: TextFile, *, read: bool) -> Finding:
    names = ", ".join(other.matches)
    summary = f"the card names {row.name}, {other.name} reads as {names}"
    status = Status.WARN if read else Status.INCONCLUSIVE
    return CONSISTENT.finding(status, summary, observed=names, threshold=row.id, known_by=KnownBy.OBSERVED)


def _purpose(row: LicenseRow, use: Use) -> Finding:
    allowed = {
        "any": True,
        "non-commercial": not use.commercial,
        "research-evaluation": use.purpose in ("research", "evaluation") and not use.commercial,
        "internal-research": use.purpose == "research" and not use.commercial,
    }.get(row.terms.purpose)
    if allowed is None:
        return PURPOSE.finding(Status.INCONCLUSIVE, f"{row.name}: the table does not say for which purposes")
    word = "allows" if allowed else f"is for {row.terms.purpose} use: it does not allow"
    commercial = "commercial " if use.commercial else ""
    return PURPOSE.finding(
        Status.PASS if allowed else Status.FAIL,
        f"{row.name} {word} {commercial}{use.purpose} use",
        known_by=KnownBy.DECLARED,
    )


def _pinned(candidate: CandidateFacts) -> Finding:
    texts = [text for text in _license_files(candidate) if text.origin == "repository"]
    if texts:
        text = texts[0]
        return PINNED.finding(Status.PASS, f"{text.name}, sha256 {text.sha256[:12]}", known_by=KnownBy.OBSERVED)
    return PINNED.finding(Status.WARN, "the repository holds no license text: the table decides")


def _variant(use: Use, candidate: CandidateFacts, *, counts: bool) -> Finding:
    """One line on another variant: its worst answer."""
    if candidate.error:
        return VARIANTS.finding(Status.ERROR, candidate.error, variant=candidate.model, counts=counts)
    found = [f for f in of_candidate(use, candidate) if f.id not in ("license.text-pinned", "license.remote-code")]
    worst = min(found, key=lambda f: SEVERITY.index(f.status))
    return VARIANTS.finding(
        worst.status, f"{candidate.model}: {worst.summary}", variant=candidate.model, counts=counts,
        observed=named(candidate).name, known_by=KnownBy.DECLARED,
    )  # fmt: skip


def _provider(checklist: Checklist) -> list[Finding]:
    """A hosted service's terms, as the buyer read them. They speak of commercial use only."""
    terms = checklist.items.license.provider_terms
    assert terms is not None
    found = []
    for facet, check in _asked(checklist.use).items():
        if facet == "commercial":
            status = Status.PASS if terms.commercial else Status.FAIL
            word = "allow" if terms.commercial else "do not allow"
            summary = f"the provider's terms {word} it, read by {terms.by} on {terms.date}"
        else:
            status, summary = (
                Status.INCONCLUSIVE,
                f"the recorded provider's terms do not say whether they allow to {facet}",
            )
        found.append(check.finding(status, summary, known_by=KnownBy.DECLARED, observed=terms.url))
    if not found:
        summary = f"no commercial use, change or redistribution is asked for; terms read by {terms.by} on {terms.date}"
        found.append(IDENTIFIED.finding(Status.PASS, summary, known_by=KnownBy.DECLARED, observed=terms.url))
    return found
