"""Which license a card names, and what the table says of it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from evalkit.data import LicenseRow, load_licenses
from evalkit.hub.facts import CandidateFacts


class Named(NamedTuple):
    """What the card names: the name as written, and its row when the table knows it as one license text."""

    name: str
    row: LicenseRow | None
    problem: str | None


def _fold(name: str) -> str:
    return " ".join(name.split()).casefold()


def find(name: str) -> LicenseRow | None:
    """The row of a name: exact over id, SPDX id, name and aliases, case and white space folded."""
    wanted = _fold(name)
    for row in load_licenses():
        if wanted in {_fold(n) for n in (row.id, row.spdx or "", row.name, *row.aliases)}:
            return row
    return None


def named(candidate: CandidateFacts) -> Named:
    """The one license that the card names, or why there is none that the table can decide."""
    card = candidate.card
    entries = [e for e in card.license if e.strip()] if card else []
    if not card or not entries:
        return Named("none", None, "the card names no license")
    if len(entries) > 1:
        return Named(", ".join(entries), None, f"the card names {len(entries)} licenses")
    name = entries[0]
    if _fold(name) == "other":
        if not card.license_name:
            return Named("other", None, "the card says only 'other', without a license_name")
        name = card.license_name
    row = find(name)
    if row is None:
        return Named(name, None, f"{name} is not in the license table")
    if row.kind != "license":
        words = {"family": "a family of licenses, not one text", "placeholder": "no license", "unread": "not read yet"}
        return Named(name, None, f"{name} is {words[row.kind]}")
    return Named(name, row, None)
