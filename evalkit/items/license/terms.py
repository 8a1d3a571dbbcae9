"""Which license a card names, what the table says of it, and whether that allows a use. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from evalkit.checklist.schema import Reading, Use
from evalkit.data import load_licenses
from evalkit.data.models import LicenseRow
from evalkit.hub.facts import CardLicense
from evalkit.items.license.words import Facet, Problem, ProblemKind, UseAllowed

_KINDS: dict[str, ProblemKind] = {"family": "family", "placeholder": "placeholder", "unread": "unread"}
_COMPOUND = frozenset({"OR", "AND", "WITH"})  # operators of an SPDX expression


class Named(NamedTuple):
    """What a card names: the name as written, and its row when the table knows it as one license text."""

    name: str
    row: LicenseRow | None
    problem: Problem | None


def fold(name: str) -> str:
    """Case, white space, hyphens and underscores do not distinguish names; nor does a leading "the"."""
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
    if card and not entries and card.unread:
        return Named("unread", None, Problem("front-matter", detail=card.unread))
    if not card or not entries:
        return Named("none", None, Problem("no-license"))
    if len(entries) > 1:
        return Named(", ".join(entries), None, Problem("several", detail=str(len(entries))))
    name = entries[0]
    if fold(name) == "other":
        if not card.license_name:
            link = by_link(card.license_link)
            return Named("other", None, Problem("other-without-name", detail=link.name if link else ""))
        name = card.license_name
    row = find(name) or find(card.spdx)
    if row is None:
        compound = card.spdx is not None and not _COMPOUND.isdisjoint(card.spdx.split())
        return Named(name, None, Problem("combination" if compound else "not-in-table", name, card.spdx or ""))
    if row.kind != "license":
        return Named(name, None, Problem(_KINDS[row.kind], name, row.to_read or ""))
    return Named(name, row, None)


def allowed(
    facet: Facet, license_: Named, use: Use, reading: Reading | None, *, contradicted: str | None = None
) -> UseAllowed:
    """Whether one use is allowed. A reading decides what the table cannot; it lifts neither a `no` nor a cap."""
    read = getattr(reading, facet) if reading else None
    row = license_.row
    base = UseAllowed(outcome="not-known", facet=facet, stated=license_.name, license=row.name if row else None)
    by = {"reader": reading.by, "date": str(reading.date)} if reading else {}
    if row is not None and getattr(row.terms, facet) == "no":
        return base.model_copy(update={"outcome": "forbidden"})
    if reading is not None and read is False:
        return base.model_copy(update={"outcome": "read-forbidden", **by})
    capped = _capped(row, use) if row is not None else None
    if capped:
        return base.model_copy(update=capped)
    if reading is not None and read:
        return base.model_copy(update={"outcome": "read-allowed", **by})
    if row is None:
        return base.model_copy(update={"why": str(license_.problem)})
    if contradicted:
        return base.model_copy(update={"outcome": "sources-differ", "why": contradicted})
    answer, conditions = getattr(row.terms, facet), row.terms.conditions.get(facet, ())
    if answer == "yes" or (answer == "conditional" and not conditions):
        return base.model_copy(update={"outcome": "allowed", "within": _within(row, use)})
    why = "; ".join(conditions) or row.to_read
    field = use.field if row.terms.use_restrictions == "yes" else None
    asked = row.terms.use_restrictions == "yes"
    return base.model_copy(update={"outcome": "conditional", "why": why or None, "restricted": asked, "field": field})


def _caps(row: LicenseRow, use: Use) -> list[tuple[float, float | None, str]]:
    """(the license's limit, what the checklist says, its key): only limits that the license has."""
    both = ((row.terms.user_cap, use.monthly_users, "monthly_users"),
            (row.terms.revenue_cap, use.revenue_usd, "revenue_usd"))  # fmt: skip
    return [(cap, value, key) for cap, value, key in both if cap is not None]


def _within(row: LicenseRow, use: Use) -> tuple[str, ...]:
    return tuple(f"{key}={value:.0f}<{cap:.0f}" for cap, value, key in _caps(row, use) if value is not None)


def _capped(row: LicenseRow, use: Use) -> dict[str, object] | None:
    """The limit that forbids the use, else the one that cannot be checked."""
    caps = _caps(row, use)
    over = [(cap, value, key) for cap, value, key in caps if value is not None and value >= cap]
    for outcome, found in (("over-limit", over), ("limit-unknown", [one for one in caps if one[1] is None])):
        for cap, value, key in found:
            return {"outcome": outcome, "limit": cap, "value": value, "key": key}
    return None
