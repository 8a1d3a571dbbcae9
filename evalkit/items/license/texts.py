"""What the license sources of one model say of each other: card, files, links, badges, code. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from evalkit.checklist.schema import Reading, Use
from evalkit.data import load_licenses
from evalkit.data.models import LicenseRow
from evalkit.findings import SEVERITY, Evidence, Finding, KnownBy, Status
from evalkit.hub.facts import CandidateFacts, TextFile
from evalkit.items.license.checks import CODE, CONSISTENT, PINNED, USES
from evalkit.items.license.terms import Named, allowed, by_link, find, fold
from evalkit.items.license.words import Code, Consistent, Facet, Pinned

README, LINKED, NO = "README.md", "linked", "no"
_LICENSE = ("LICENSE", "LICENCE", "COPYING")


def license_files(candidate: CandidateFacts) -> list[TextFile]:
    """License texts of the weights: a NOTICE may be about other works, and a text for the code has its own line."""
    return [
        t for t in candidate.license_texts
        if t.origin != "repository" or (t.name.upper().startswith(_LICENSE) and not is_code(t))
    ]  # fmt: skip


def is_code(text: TextFile) -> bool:
    """LICENSE-CODE and its kind."""
    return text.origin == "repository" and re.search(r"(?i)[-_. ]code\b", text.name) is not None


def evidence_of(text: TextFile) -> Evidence:
    return Evidence(path=text.path, url=text.url, sha256=text.sha256, note=text.name)


def contradiction(license_: Named, candidate: CandidateFacts, facet: Facet, use: Use) -> str | None:
    """What contradicts the table's answer for one use by the card's license; None when nothing does."""
    if license_.row is None:
        return None
    prose = of_prose(license_.row, candidate, use, [], (facet,))
    found = (_against_file(license_.row, candidate, []), _against_link(license_.row, candidate), *prose)
    return next((one.summary for one in found if one is not None and one.status.open), None)


def of_prose(
    row: LicenseRow, candidate: CandidateFacts, use: Use, readings: list[Reading], facets: Sequence[Facet]
) -> list[Finding]:
    """Sentences of the card that restrict one of the uses, and stricter licenses that it links for the weights."""
    card = next((t for t in candidate.texts if t.name == README), None)
    hashes = {t.sha256 for t in candidate.license_texts} | ({card.sha256} if card else set())
    read = any(r.text_sha256 in hashes for r in readings)
    found: dict[Consistent, None] = {}
    for said in candidate.card.sentences if candidate.card else ():
        values = Consistent(outcome="prose-restricts", license=row.name, other=said.text, line=said.line)
        if said.kind == LINKED:
            target = by_link(said.link)
            if target is None or target.id == row.id or not _stricter(target, use, facets):
                continue
            values = values.model_copy(update={"outcome": "weights-linked", "files": target.name})
        elif all(said.kind != facet for facet in facets) or getattr(row.terms, said.kind) == NO:
            continue
        found[values.model_copy(update={"outcome": f"{values.outcome}-read"}) if read else values] = None
    evidence = (evidence_of(card),) if card else ()
    return [CONSISTENT.found(one, known_by=KnownBy.OBSERVED, evidence=evidence) for one in found]


def _stricter(target: LicenseRow, use: Use, facets: Sequence[Facet]) -> bool:
    answers = ((facet, allowed(facet, Named(target.name, target, None), use, None)) for facet in facets)
    return any(not USES[facet].outcomes[one.outcome].carries for facet, one in answers)


def consistent(license_: Named, candidate: CandidateFacts, use: Use, readings: list[Reading]) -> list[Finding]:
    """Every contradiction between the sources; an empty list when there is nothing to compare."""
    if license_.row is None:
        return []
    row = license_.row
    found = [_against_file(row, candidate, readings), _against_link(row, candidate), *_badges(row, candidate)]
    found += of_prose(row, candidate, use, readings, [facet for facet in USES if getattr(use, facet)])
    return [finding for finding in found if finding is not None]


def _other_text(row: LicenseRow, candidate: CandidateFacts) -> TextFile | None:
    """A license text that is recognised as another license, or not as the one that the card names."""
    texts = license_files(candidate)
    if any(row.id in text.matches for text in texts):
        return next((t for t in texts if t.matches and row.id not in t.matches), None)
    recognisable = bool(row.markers)
    return next((t for t in texts if t.matches or (recognisable and t.origin != "link")), None)


def _against_file(row: LicenseRow, candidate: CandidateFacts, readings: list[Reading]) -> Finding | None:
    other = _other_text(row, candidate)
    if other is None:
        texts = [t for t in license_files(candidate) if row.id in t.matches]
        if not texts:
            return None
        names = ", ".join(t.name for t in texts)
        values = Consistent(outcome="file-agrees", license=row.name, other=row.name, files=names, observed=row.id)
        return CONSISTENT.found(values, known_by=KnownBy.OBSERVED, evidence=tuple(evidence_of(t) for t in texts))
    read = other.sha256 in {r.text_sha256 for r in readings}
    names = ", ".join(other.matches)
    values = Consistent(
        outcome="file-differs-read" if read else "file-differs", license=row.name, other=names, files=other.name,
        observed=names or None, threshold=row.id,
    )  # fmt: skip
    return CONSISTENT.found(values, known_by=KnownBy.OBSERVED, evidence=(evidence_of(other),))


def _against_link(row: LicenseRow, candidate: CandidateFacts) -> Finding | None:
    link = candidate.card.license_link if candidate.card else None
    if not link:
        return None
    target = by_link(link)
    if target is not None and target.id != row.id:
        values = Consistent(
            outcome="link-differs", license=row.name, other=target.name, observed=target.id, threshold=row.id
        )
        return CONSISTENT.found(values, known_by=KnownBy.DECLARED)
    name = link.removeprefix("./")
    if "://" not in link and name not in {t.name for t in candidate.license_texts}:
        values = Consistent(outcome="link-missing", license=row.name, other=link, observed=link)
        return CONSISTENT.found(values, known_by=KnownBy.OBSERVED)
    return None


def _badges(row: LicenseRow, candidate: CandidateFacts) -> list[Finding]:
    """Labels and links in the card's prose: one that names two licenses at once, or another one than the card."""
    found: dict[Consistent, None] = {}
    for label, link in candidate.card.mentions if candidate.card else ():
        said, target = _label(label), by_link(link)
        if said is not None and target is not None and said.id != target.id:
            values = Consistent(
                outcome="badge-differs-minor" if row.id == target.id else "badge-differs", license=row.name,
                other=target.name, files=said.name, observed=said.id, threshold=target.id,
            )  # fmt: skip
            found[values] = None
        elif (shown := target or (said if link else None)) is not None and shown.id != row.id:
            values = Consistent(outcome="other-license-linked", license=row.name, other=shown.name, observed=shown.id)
            found[values] = None
    return [CONSISTENT.found(values, known_by=KnownBy.DECLARED) for values in found]


def _label(label: str) -> LicenseRow | None:
    """The license that a label names; the name that a license's own notices use names it too."""
    bare = re.sub(r"(?i)\s*[({].*|\s+licen[sc]e\s+(?:agreement)\Z", "", label)
    row = find(label) or find(bare) or find(f"{bare} license")
    if row is not None:
        return row if row.kind == "license" else None
    return next((r for r in load_licenses() if fold(label) in {fold(n) for n in r.notice_names}), None)


def of_code(license_: Named, candidate: CandidateFacts, use: Use) -> list[Finding]:
    """The code's own license file, where the repository has one."""
    found = []
    for text in (t for t in candidate.license_texts if is_code(t)):
        rows = [row for row in (find(name) for name in text.matches) if row is not None]
        weights = license_.row.name if license_.row else license_.name
        used = bool(candidate.remote_code)  # without remote code the weights can be served without this code
        if not rows:
            values = Code(
                outcome="not-recognised" if used else "not-recognised-unused", file=text.name, weights=weights
            )
        else:
            answers = [
                USES[facet].outcomes[allowed(facet, Named(r.name, r, None), use, None).outcome]
                for r in rows for facet in USES if getattr(use, facet)
            ]  # fmt: skip
            worst = min(answers, key=SEVERITY.index, default=Status.PASS)
            failed: Literal["forbids", "forbids-unused"] = "forbids" if used else "forbids-unused"
            values = Code(
                outcome="allows" if worst.carries else failed if worst is Status.FAIL else "open",
                file=text.name,
                license=", ".join(r.name for r in rows),
                weights=weights,
            )
        found.append(CODE.found(values, known_by=KnownBy.OBSERVED, evidence=(evidence_of(text),)))
    return found


def pinned(candidate: CandidateFacts) -> Finding:
    """Whether the repository itself contains the text."""
    texts = license_files(candidate)
    own = next((t for t in texts if t.origin == "repository"), None)
    kept = own or next(iter(texts), None)
    if kept is None:
        return PINNED.found(Pinned(outcome="missing"))
    given: Literal["given", "fetched"] = "given" if kept.origin == "given" else "fetched"
    values = Pinned(
        outcome="in-repository" if own else given, file=kept.name, sha256=kept.sha256[:12],
        date=None if own else (kept.taken_at or "")[:10],
    )  # fmt: skip
    how = KnownBy.OBSERVED if own else KnownBy.DECLARED
    return PINNED.found(values, known_by=how, evidence=(evidence_of(kept),))
