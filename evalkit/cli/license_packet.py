"""`evalkit license --format markdown`: a page that legal can read and file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import evalkit
from evalkit.checklist.schema import Reading, Use
from evalkit.data import table_ages
from evalkit.data.models import LicenseRow
from evalkit.findings import Finding, Status, worst
from evalkit.hub.facts import CandidateFacts, TextFile
from evalkit.items.license.checks import CHECKS
from evalkit.items.license.parts import Part, parts_of
from evalkit.items.license.record import findings_of, fitting
from evalkit.items.license.terms import named
from evalkit.report.words.quote import cell, cell_code, prose

_TITLES = {check.id: check.title for check in CHECKS}
NOT_ADVICE = "A table's reading of published texts, and not legal advice."


def packet(use: Use, candidates: list[CandidateFacts], readings: list[Reading], now: datetime) -> str:
    """The whole page. `now` dates it and ages the tables."""
    lines = [
        "# License packet", "",
        f"Made by evalkit {evalkit.__version__} on {now.date()}. {NOT_ADVICE}", "",
        f"**Asked:** {asked(use)}.", "",
        f"**Tables:** {table_ages(now.date())}.", "",
        *_table(("model", "commit", "license", "commercial", "modify", "redistribute", "answer"),
                [_summary(use, one, fitting(readings, one, candidates)) for one in candidates]),
    ]  # fmt: skip
    for candidate in candidates:
        lines += ["", *_model(use, candidate, fitting(readings, candidate, candidates))]
    return "\n".join(lines) + "\n"


def asked(use: Use) -> str:
    """The use in one sentence."""
    words = {True: "yes", False: "no"}
    limits = [
        f"{use.revenue_usd:,.0f} USD a year" if use.revenue_usd is not None else "",
        f"{use.monthly_users:,} monthly users" if use.monthly_users is not None else "",
        f"field: {prose(use.field)}" if use.field else "",
    ]
    rest = "".join(f"; {limit}" for limit in limits if limit)
    return (
        f"purpose {use.purpose}, commercial use {words[use.commercial]}, changed weights {words[use.modify]}, "
        f"redistribution {words[use.redistribute]}{rest}"
    )


def _summary(use: Use, candidate: CandidateFacts, readings: list[Reading]) -> tuple[str, ...]:
    found = findings_of(use, candidate, readings)
    license_ = named(candidate.card)
    row = license_.row
    answer = worst([f.status for f in found]) if found else Status.ERROR
    return (
        cell_code(candidate.model), cell_code((candidate.commit or candidate.revision or "unknown")[:19]),
        cell(row.name if row else license_.name), *_facets(row), f"**{answer.value}**",
    )  # fmt: skip


def _facets(row: LicenseRow | None) -> tuple[str, str, str]:
    terms = row.terms if row else None
    return (terms.commercial, terms.modify, terms.redistribute) if terms else ("unknown", "unknown", "unknown")


def _model(use: Use, candidate: CandidateFacts, readings: list[Reading]) -> list[str]:
    lines = [f"## {prose(candidate.model)}", ""]
    if candidate.error:
        hint = f" {prose(candidate.hint)}." if candidate.hint else ""
        return [*lines, f"Could not be read: {prose(candidate.error)}.{hint}"]
    when = prose(candidate.fetched_at or "at an unknown time")
    lines += [f"Commit {cell_code(candidate.commit or candidate.revision or 'unknown')}, read {when}.", ""]
    if candidate.commit:
        lines += [f"From the snapshot {cell_code(candidate.asked or '')}, {cell_code(candidate.revision or '')}.", ""]
    parts = parts_of(candidate)
    found = findings_of(use, candidate, readings)
    lines += ["### Answer", "", *(_finding(finding) for finding in found), ""]
    lines += ["### Parts", "", *_table(_PART_COLUMNS, [_part(part) for part in parts]), ""]
    lines += ["### What the license of the weights says", "", *_terms(candidate), ""]
    lines += ["### Duties", "", *_duties(parts), ""]
    lines += ["### Texts", "", *_texts([*candidate.texts, *candidate.license_texts]), ""]
    lines += ["### Readings by people", "", *_readings(candidate, readings), ""]
    return [*lines, "### Not read", "", *_unread(candidate, parts)]


_PART_COLUMNS = ("part", "what", "license", "commercial", "modify", "redistribute", "text sha256", "date", "how known")


def _part(part: Part) -> tuple[str, ...]:
    return (
        part.part, cell(part.what), cell(part.license), *_facets(part.row),
        cell_code(part.sha256) if part.sha256 else "none", part.date or "unknown", part.how_read,
    )  # fmt: skip


def _finding(finding: Finding) -> str:
    remedy = f" To do: {prose(finding.remedy)}." if finding.remedy else ""
    return f"- **{finding.status.value}** {_TITLES[finding.id]}: {prose(finding.summary)}.{remedy}"


def _terms(candidate: CandidateFacts) -> list[str]:
    license_ = named(candidate.card)
    row = license_.row
    if row is None:
        return [f"{prose(str(license_.problem or 'unknown'))}."]
    terms = row.terms
    conditions = [f"{facet}: {'; '.join(texts)}" for facet, texts in terms.conditions.items()]
    values = {
        "name": row.name, "identifier": row.spdx or row.id, "purpose": terms.purpose,
        "commercial use": terms.commercial, "changed weights": terms.modify, "redistribution": terms.redistribute,
        "conditions": " · ".join(conditions) or "none",
        "limit on users": f"{terms.user_cap:,} a month" if terms.user_cap else "none",
        "limit on revenue": f"{terms.revenue_cap:,.0f} USD a year" if terms.revenue_cap else "none",
        "use restrictions": terms.use_restrictions, "outputs": terms.output_terms or "nothing noted",
        "patents and suits": terms.patent_litigation or "nothing noted", "revocable": terms.revocable,
        "source": row.source, "text of": row.date, "how well read": row.how_read.replace("-", " "),
    }  # fmt: skip
    lines = _table(("", ""), [(name, cell(value)) for name, value in values.items()])
    return [*lines, *(f"\nNote: {prose(note)}" for note in row.notes)]


def _duties(parts: list[Part]) -> list[str]:
    """Each duty once, with the parts that bring it."""
    owners: dict[str, list[str]] = {}
    for part in parts:
        for duty in part.obligations:
            owners.setdefault(duty, []).append(part.part)
    return [f"- {prose(duty)} ({', '.join(dict.fromkeys(of))})" for duty, of in owners.items()] or ["None known."]


def _texts(texts: Iterable[TextFile]) -> list[str]:
    rows = [
        (cell(t.name), str(t.origin), cell_code(t.sha256), f"{t.size:,}", cell((t.taken_at or "of the commit")[:25]),
         cell(t.url or t.path or "not kept"))
        for t in texts
    ]  # fmt: skip
    return _table(("text", "from", "sha256", "bytes", "date", "where"), rows) if rows else ["None."]


def _readings(candidate: CandidateFacts, readings: list[Reading]) -> list[str]:
    here = {text.sha256 for text in candidate.license_texts}
    words: dict[Any, str] = {True: "yes", False: "no", None: "not said"}
    lines = []
    for one in readings:
        state = "the text at hand" if one.text_sha256 in here else "stale: no such text here"
        answers = ", ".join(f"{f} {words[getattr(one, f)]}" for f in ("commercial", "modify", "redistribute"))
        note = f" {prose(one.note)}" if one.note else ""
        lines.append(f"- {prose(one.by)} on {one.date}, {cell_code(one.text_sha256)} ({state}): {answers}.{note}")
    return lines or ["None is recorded. Record one under `items.license.readings` with the sha256 of the text above."]


def _unread(candidate: CandidateFacts, parts: list[Part]) -> list[str]:
    lines = [
        f"- {part.part}{'' if part.part == 'weights' else f', {prose(part.what)}'}: {prose(missing)}"
        for part in parts
        for missing in part.unread
    ]
    link = candidate.card.license_link if candidate.card else None
    if link and not any(text.origin == "link" for text in candidate.license_texts):
        lines.append(f"- the page behind the card's license_link, {prose(link)}: `--fetch-license` fetches it")
    lines += [f"- noticed: {prose(note)}" for note in candidate.notes]
    return lines or ["Nothing that is known of."]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
