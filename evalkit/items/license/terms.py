"""Which license a card names, what the table says of it, and whether that allows a use. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from evalkit.checklist.schema import Reading, Use
from evalkit.data import LicenseRow, load_licenses
from evalkit.findings import Status
from evalkit.hub.facts import CardLicense
from evalkit.items.license.checks import Facet


class Named(NamedTuple):
    """What a card names: the name as written, and its row when the table knows it as one license text."""

    name: str
    row: LicenseRow | None
    problem: str | None


def fold(name: str) -> str:
    """Case, white space, hyphens and underscores do not tell names apart; nor does a leading "the"."""
    return re.sub(r"[\s_-]+", "-", name.strip().casefold()).removeprefix("the-")


def find(name: str | None) -> LicenseRow | None:
    """The row of a name: exact over id, SPDX id, name and aliases, case and white space folded."""
    wanted = fold(name) if name else ""
    for row in load_licenses() if wanted else ():
        if wanted in {fold(n) for n in (row.id, row.spdx or "", row.name, *row.aliases)}:
            return row
    return None


def by_link(link: str | None) -> LicenseRow | None:
    """The row whose text a link leads to: host and path, without scheme, `www.`, ending slash or file type."""
    wanted = _plain(link) if link else ""
    for row in load_licenses() if wanted else ():
        if wanted in {_plain(url) for url in row.urls}:
            return row
    return None


def _plain(url: str) -> str:
    bare = url.strip().casefold().partition("://")[2] or url.strip().casefold()
    bare = bare.partition("?")[0].partition("#")[0].rstrip("/").removeprefix("www.")
    for ending in (".html", ".txt", ".php", "/legalcode", "/deed.en"):
        bare = bare.removesuffix(ending)
    return bare


def named(card: CardLicense | None) -> Named:
    """The one license that the card names, or why there is none that the table can decide."""
    entries = [e for e in card.license if e.strip()] if card else []
    if not card or not entries:
        return Named("none", None, "the card names no license")
    if len(entries) > 1:
        return Named(", ".join(entries), None, f"the card names {len(entries)} licenses")
    name = entries[0]
    if fold(name) == "other":
        if not card.license_name:
            link = by_link(card.license_link)
            hint = f"; its link leads to {link.name}" if link else ""
            return Named("other", None, f"the card says only 'other', without a license_name{hint}")
        name = card.license_name
    row = find(name) or find(card.spdx)
    if row is None:
        known = f" (SPDX: {card.spdx})" if card.spdx else ""
        compound = card.spdx and any(word in card.spdx for word in (" OR ", " AND ", " WITH "))
        what = "a combination of licenses, to be read one by one" if compound else "not in the license table"
        return Named(name, None, f"{name} is {what}{known}")
    if row.kind != "license":
        words = {"family": "a family of licenses, not one text", "placeholder": "no license", "unread": "not read yet"}
        return Named(
            name, None, f"{name} is {words[row.kind]}: {row.to_read}" if row.to_read else f"{name} is {words[row.kind]}"
        )
    return Named(name, row, None)


def allowed(
    facet: Facet, license_: Named, use: Use, reading: Reading | None, *, contradicted: str | None = None
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
        return Status.INCONCLUSIVE, contradicted
    if answer == "yes" or (answer == "conditional" and not row.terms.conditions.get(facet)):
        return Status.PASS, f"{row.name} allows it{_within(row, use)}"
    why = "; ".join(row.terms.conditions.get(facet, ())) or row.to_read or "the table does not say"
    return Status.INCONCLUSIVE, f"{row.name}: {why}{_field(row, use)}"


def _field(row: LicenseRow, use: Use) -> str:
    """The buyer's field of use beside restrictions that a person must hold it against."""
    if row.terms.use_restrictions != "yes":
        return ""
    return f" (your field: {use.field})" if use.field else " (say what you do in use.field)"


def _within(row: LicenseRow, use: Use) -> str:
    caps = [
        (row.terms.user_cap, use.monthly_users, "monthly users"),
        (row.terms.revenue_cap, use.revenue_usd, "USD a year"),
    ]
    texts = [f"{value:,.0f} of {cap:,.0f} {unit}" for cap, value, unit in caps if cap is not None and value is not None]
    return f" ({', '.join(texts)})" if texts else ""


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
