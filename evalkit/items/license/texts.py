"""What the license sources of one model say of each other: card, files, links, badges, code. Pure."""

from __future__ import annotations

import re

from evalkit.checklist.schema import Reading, Use
from evalkit.data import LicenseRow
from evalkit.findings import SEVERITY, Evidence, Finding, KnownBy, Status
from evalkit.hub.facts import CandidateFacts, TextFile
from evalkit.items.license.checks import CODE, CONSISTENT, PINNED, USES
from evalkit.items.license.terms import Named, allowed, by_link, find, fold

_LICENSE = ("LICENSE", "LICENCE", "COPYING")


def license_files(candidate: CandidateFacts) -> list[TextFile]:
    """License texts of the weights: a NOTICE may speak of other works, and a text for the code has its own line."""
    return [
        t for t in candidate.license_texts
        if t.origin != "repository" or (t.name.upper().startswith(_LICENSE) and not is_code(t))
    ]  # fmt: skip


def is_code(text: TextFile) -> bool:
    """LICENSE-CODE and its kind."""
    return text.origin == "repository" and re.search(r"(?i)[-_. ]code\b", text.name) is not None


def evidence_of(text: TextFile) -> Evidence:
    return Evidence(path=text.path, url=text.url, sha256=text.sha256, note=text.name)


def contradiction(license_: Named, candidate: CandidateFacts) -> str | None:
    """Why the table's answer for the card's name does not stand by itself; None when nothing speaks against it."""
    row = license_.row
    if row is None:
        return None
    other = _other_text(row, candidate)
    if other is not None:
        return f"the card names {row.name}, the license file is another text"
    link = by_link(candidate.card.license_link if candidate.card else None)
    if link is not None and link.id != row.id:
        return f"the card names {row.name}, its license_link leads to {link.name}"
    return None


def consistent(license_: Named, candidate: CandidateFacts, readings: list[Reading]) -> list[Finding]:
    """Every contradiction between the sources; an empty list when there is nothing to compare."""
    if license_.row is None:
        return []
    row = license_.row
    found = [_against_file(row, candidate, readings), _against_link(row, candidate), *_badges(row, candidate)]
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
        return CONSISTENT.finding(
            Status.PASS, f"the card names {row.name}, and so reads {names}", observed=row.id, known_by=KnownBy.OBSERVED,
            evidence=tuple(evidence_of(t) for t in texts),
        )  # fmt: skip
    names = ", ".join(other.matches) or "no text that the table knows"
    status = Status.WARN if other.sha256 in {r.text_sha256 for r in readings} else Status.INCONCLUSIVE
    return CONSISTENT.finding(
        status, f"the card names {row.name}, {other.name} reads as {names}", observed=names, threshold=row.id,
        known_by=KnownBy.OBSERVED, evidence=(evidence_of(other),),
    )  # fmt: skip


def _against_link(row: LicenseRow, candidate: CandidateFacts) -> Finding | None:
    link = candidate.card.license_link if candidate.card else None
    if not link:
        return None
    target = by_link(link)
    if target is not None and target.id != row.id:
        text = f"the card names {row.name}, its license_link leads to {target.name}"
        return CONSISTENT.finding(
            Status.INCONCLUSIVE, text, observed=target.id, threshold=row.id, known_by=KnownBy.DECLARED
        )
    name = link.removeprefix("./")
    if "://" not in link and name not in {t.name for t in candidate.license_texts}:
        text = f"license_link names {link}, which is not among the license files of the repository"
        return CONSISTENT.finding(Status.WARN, text, observed=link, known_by=KnownBy.OBSERVED)
    return None


def _badges(row: LicenseRow, candidate: CandidateFacts) -> list[Finding]:
    """Labels and links in the card's prose: one that names two licenses at once, or another one than the card."""
    found: dict[str, Finding] = {}
    for label, link in candidate.card.mentions if candidate.card else ():
        said, target = _label(label), by_link(link)
        if said is not None and target is not None and said.id != target.id:
            text = f"a badge is labelled {said.name} and links to {target.name}"
            status = Status.WARN if row.id == target.id else Status.INCONCLUSIVE
            found[text] = CONSISTENT.finding(
                status, f"{text}; the card names {row.name}", observed=said.id, threshold=target.id,
                known_by=KnownBy.DECLARED,
            )  # fmt: skip
        elif (shown := target or (said if link else None)) is not None and shown.id != row.id:
            text = f"the card names {row.name} and links to {shown.name} too: it may be that of the code or of a part"
            found[text] = CONSISTENT.finding(Status.WARN, text, observed=shown.id, known_by=KnownBy.DECLARED)
    return list(found.values())


def _label(label: str) -> LicenseRow | None:
    """The license that a label names; the name that a license's own notices use names it too."""
    bare = re.sub(r"(?i)\s*[({].*|\s+licen[sc]e\s+(?:agreement)\Z", "", label)
    row = find(label) or find(bare) or find(f"{bare} license")
    if row is not None:
        return row if row.kind == "license" else None
    from evalkit.data import load_licenses

    return next((r for r in load_licenses() if fold(label) in {fold(n) for n in r.notice_names}), None)


def of_code(license_: Named, candidate: CandidateFacts, use: Use) -> list[Finding]:
    """The code's own license file, where the repository has one."""
    found = []
    for text in (t for t in candidate.license_texts if is_code(t)):
        rows = [row for row in (find(name) for name in text.matches) if row is not None]
        weights = license_.row.name if license_.row else license_.name
        if not rows:
            summary = f"{text.name} is a license of its own for the code that the table does not recognise"
            status = Status.INCONCLUSIVE if candidate.remote_code else Status.WARN
        else:
            answers = [
                allowed(facet, Named(r.name, r, None), use, None) for r in rows for facet in USES if getattr(use, facet)
            ]
            status = min((s for s, _ in answers), key=SEVERITY.index, default=Status.PASS)
            names = ", ".join(r.name for r in rows)
            summary = f"the code is under {names} ({text.name}), the weights under {weights}"
            if status is Status.FAIL and not candidate.remote_code:
                status = Status.WARN  # the weights can be served without this code
        found.append(CODE.finding(status, summary, known_by=KnownBy.OBSERVED, evidence=(evidence_of(text),)))
    return found


def pinned(candidate: CandidateFacts) -> Finding:
    """Whether the repository itself holds the text."""
    texts = license_files(candidate)
    own = next((t for t in texts if t.origin == "repository"), None)
    if own is not None:
        return PINNED.finding(
            Status.PASS,
            f"{own.name}, sha256 {own.sha256[:12]}",
            known_by=KnownBy.OBSERVED,
            evidence=(evidence_of(own),),
        )
    kept = next(iter(texts), None)
    if kept is not None:
        how = "given by the user" if kept.origin == "given" else "fetched from the card's link"
        text = f"the repository holds no license text; one was {how} ({(kept.taken_at or '')[:10]},"
        text += f" sha256 {kept.sha256[:12]})"
        return PINNED.finding(Status.WARN, text, known_by=KnownBy.DECLARED, evidence=(evidence_of(kept),))
    return PINNED.finding(Status.WARN, "the repository holds no license text: the table decides")
