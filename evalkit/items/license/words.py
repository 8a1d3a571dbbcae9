"""What the license item says: the typed values of each check, and the sentences made of them."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from evalkit.findings import Values, Words

Facet = Literal["commercial", "modify", "redistribute"]
ProblemKind = Literal[
    "no-license",
    "several",
    "other-without-name",
    "combination",
    "not-in-table",
    "family",
    "placeholder",
    "unread",
    "front-matter",
]

_USE = {"commercial": "commercial use", "modify": "modification", "redistribute": "redistribution"}


class Problem(NamedTuple):
    """Why the table cannot decide what a card says."""

    kind: ProblemKind
    name: str = ""
    #: what else is known: a link's license, an SPDX id, what a person should read
    detail: str = ""

    def __str__(self) -> str:
        also = f": {self.detail}" if self.detail else ""
        spdx = f" (SPDX: {self.detail})" if self.detail else ""
        return {
            "no-license": "the model card states no license",
            "several": f"the model card lists {self.detail} licenses",
            "other-without-name": "the model card says only 'other', without a license_name"
            + (f"; its link leads to {self.detail}" if self.detail else ""),
            "combination": f"{self.name} is a combination of licenses, to be read one by one{spdx}",
            "not-in-table": f"{self.name} is not in evalkit's license table{spdx}",
            "family": f"{self.name} is a family of licenses, not one text{also}",
            "placeholder": f"{self.name} is not a license{also}",
            "front-matter": f"the model card's license is not known: {self.detail}",
            "unread": f"{self.name} has not been read for evalkit's table{also}",
        }[self.kind]


def table_note(date: str, how: str) -> str:
    """Beside a link to the text that the table has."""
    return f"text of {date}, {how}"


class Identified(Values):
    """Which license the card states. `known` is how the table has its text: read, general knowledge, …"""

    outcome: Literal["in-table", "read", "provider", "no-candidate", "not-read", "not-known"]
    model: str | None = None
    license: str | None = None
    stated: str | None = None
    #: the card was not read: the packaged record states it
    by_record: bool = False
    known: str | None = None
    date: str | None = None
    reader: str | None = None
    note: str | None = None
    problem: str | None = None
    hint: str | None = None
    url: str | None = None
    obligations: tuple[str, ...] = ()
    source: str | None = None
    commercial: str | None = None
    modify: str | None = None
    redistribute: str | None = None

    def words(self) -> Words:
        match self.outcome:
            case "in-table":
                table = f"evalkit's license table, text of {self.date}, {self.known}"
                by = "in the shipped record" if self.by_record else "on the model card"
                return Words(f"{self.license}, as stated {by} ({table})", self.stated)
            case "read":
                return Words(f"read by {self.reader} on {self.date}: {self.note or 'no note'}")
            case "provider":
                return Words(
                    "no commercial use, modification or redistribution is asked for; the provider's terms were read by "
                    f"{self.reader} on {self.date}", self.url,
                )  # fmt: skip
            case "no-candidate":
                remedy = "give candidate.model, or --model; for a hosted service: items.license.provider_terms"
                return Words("the checklist names no candidate model", remedy=remedy)
            case "not-read":
                return Words(f"{self.model}: {self.problem or 'its card was not read'}", remedy=self.hint)
            case "not-known":
                return Words(str(self.problem), self.stated)


def _limit(text: str) -> str:
    """`revenue_usd=5000000<10000000` as a person reads it."""
    key, value, limit = re.split("[=<]", text)
    return f"use.{key}: {int(value):,} of {int(limit):,}"


class UseAllowed(Values):
    """Whether one use is allowed. `limit` and `value` are a cap of the license and what the checklist says."""

    outcome: Literal[
        "allowed", "read-allowed", "provider-allows", "forbidden", "read-forbidden", "provider-forbids", "over-limit",
        "limit-unknown", "not-known", "sources-differ", "conditional", "provider-silent", "not-read",
    ]  # fmt: skip
    facet: Facet
    license: str | None = None
    stated: str | None = None
    reader: str | None = None
    date: str | None = None
    why: str | None = None
    hint: str | None = None
    key: str | None = None
    value: float | None = None
    limit: float | None = None
    #: limits of the license that the use stays under, as `key=value<limit`
    within: tuple[str, ...] = ()
    #: the license restricts fields of use; `field` is the buyer's
    restricted: bool = False
    field: str | None = None
    url: str | None = None

    def words(self) -> Words:
        return Words(self.sentence(), self.stated or self.url, remedy=self.hint)

    def sentence(self) -> str:
        """Without the cells: other findings quote it."""
        use = _USE[self.facet]
        match self.outcome:
            case "allowed":
                within = f" ({', '.join(map(_limit, self.within))})" if self.within else ""
                return f"{self.license} allows {use}{within}"
            case "forbidden":
                return f"{self.license} does not allow {use}"
            case "read-allowed" | "read-forbidden":
                word = "allows" if self.outcome == "read-allowed" else "does not allow"
                return f"{self.reader} read the text on {self.date} and recorded that it {word} {use}"
            case "provider-allows" | "provider-forbids":
                word = "allow" if self.outcome == "provider-allows" else "do not allow"
                return f"the provider's terms {word} {use}, as read by {self.reader} on {self.date}"
            case "provider-silent":
                return f"the recorded reading of the provider's terms does not cover {use}"
            case "over-limit":
                return f"use.{self.key} is {self.value:,.0f}; the license requires less than {self.limit:,.0f}"
            case "limit-unknown":
                return f"{self.license} has a limit of {self.limit:,.0f}: state use.{self.key}"
            case "not-known":
                return f"not known: {self.why}"
            case "sources-differ":
                return str(self.why)
            case "conditional":
                own = f" (your field: {self.field})" if self.field else " (say what you do in use.field)"
                return f"{self.license}: {self.why or 'the table does not say'}{own if self.restricted else ''}"
            case "not-read":
                return "the license was not read"


class Purpose(Values):
    outcome: Literal["allowed", "forbidden", "not-known"]
    license: str
    purpose: str
    commercial_use: bool
    allowed_purpose: str

    def words(self) -> Words:
        asked = f"{'commercial ' if self.commercial_use else ''}{self.purpose} use"
        if self.outcome == "not-known":
            return Words(f"{self.license}: the table does not say which purposes it allows")
        if self.outcome == "allowed":
            return Words(f"{self.license} allows {asked}")
        limited = self.allowed_purpose.replace("-", " ")
        return Words(f"{self.license} is limited to {limited} use: it does not allow {asked}")


class Consistent(Values):
    """Two sources of one license. `outcome` says which, and whether somebody must read."""

    outcome: Literal[
        "file-agrees", "file-differs", "file-differs-read", "link-differs", "link-missing", "badge-differs",
        "badge-differs-minor", "other-license-linked", "prose-restricts", "prose-restricts-read", "weights-linked",
        "weights-linked-read",
    ]  # fmt: skip
    license: str
    other: str
    files: str = ""
    observed: str | None = None
    threshold: str | None = None
    line: int | None = None

    def words(self) -> Words:
        card = f"the model card states {self.license}"
        reads = f"{card}, but {self.files} reads as {self.other or 'a text that the table does not know'}"
        text = {
            "file-agrees": f"{card}, and {self.files} contains that text",
            "file-differs": reads,
            "file-differs-read": f"{reads}; a person read that text",
            "link-differs": f"{card}, but its license_link leads to {self.other}",
            "link-missing": f"license_link is {self.other}, which is not among the license files of the repository",
            "badge-differs": f"a badge reads {self.files} and links to {self.other}; {card}",
            "badge-differs-minor": f"a badge reads {self.files} and links to {self.other}; {card}",
            "prose-restricts": f"{card}, but line {self.line} of the card reads: {self.other!r}",
            "prose-restricts-read": f"{card}, line {self.line} of the card reads: {self.other!r}; a person read it",
            "weights-linked": f"{card}, but line {self.line} of the card links the weights to {self.files}: "
            f"{self.other!r}",
            "weights-linked-read": f"{card}, line {self.line} of the card links the weights to {self.files}: "
            f"{self.other!r}; a person read it",
            "other-license-linked": f"{card} and also links to {self.other}, which may apply to the code or to a part",
        }[self.outcome]
        return Words(text, self.observed, self.threshold)


class Base(Values):
    outcome: Literal["allows", "not-known", "stricter", "by-table", "unnamed"]
    model: str = ""
    license: str | None = None
    stated: str | None = None
    ours: str | None = None
    ours_id: str | None = None
    facet: Facet | None = None
    why: str | None = None
    sign: str | None = None
    obligations: tuple[str, ...] = ()

    def words(self) -> Words:
        match self.outcome:
            case "allows":
                return Words(
                    f"the base model {self.model} is under {self.license}, which allows what is asked", self.stated
                )
            case "not-known":
                return Words(
                    f"the license of the base model {self.model} is not known: {self.why or 'it has no card'}",
                    self.stated,
                )
            case "stricter":
                return Words(
                    f"the model card states {self.ours}, but its base model {self.model} is under {self.license} "
                    f"({self.why})", self.stated, self.ours_id,
                )  # fmt: skip
            case "by-table":
                return Words(f"the card names no base model; evalkit's tables list it as derived from {self.model}")
            case "unnamed":
                return Words(
                    f"the card names no base model, but {self.sign!r} suggests that the weights were made from others, "
                    "whose license still applies"
                )


class Code(Values):
    outcome: Literal["allows", "forbids", "open", "forbids-unused", "not-recognised", "not-recognised-unused"]
    file: str
    license: str | None = None
    weights: str

    def words(self) -> Words:
        if self.license is None:
            return Words(f"{self.file} is a separate license for the code that evalkit's table does not recognise")
        return Words(f"the code is under {self.license} ({self.file}), the weights are under {self.weights}")


class Pinned(Values):
    outcome: Literal["in-repository", "given", "fetched", "missing"]
    file: str | None = None
    sha256: str | None = None
    date: str | None = None

    def words(self) -> Words:
        if self.outcome == "in-repository":
            return Words(f"{self.file}, sha256 {self.sha256}")
        if self.outcome == "missing":
            return Words("the repository contains no license file, so this relies on evalkit's license table")
        how = "given by the user" if self.outcome == "given" else "fetched from the card's link"
        return Words(f"the repository contains no license file; one was {how} ({self.date}, sha256 {self.sha256})")


class Gated(Values):
    outcome: Literal["gated", "no-access"]
    kind: str

    def words(self) -> Words:
        closed = ", and this account has no access: only the card's public fields were read"
        return Words(f"access is gated ({self.kind}){closed if self.outcome == 'no-access' else ''}")


class RemoteCode(Values):
    outcome: Literal["needed"] = "needed"
    files: tuple[str, ...]

    def words(self) -> Words:
        return Words(f"needs remote code ({', '.join(self.files)}), whose license must be checked separately")


class ShippedRecord(Values):
    """The repository could not be read: a packaged record of it answers."""

    outcome: Literal["not-this-commit"] = "not-this-commit"
    model: str
    date: str

    def words(self) -> Words:
        return Words(f"a first look at the license of {self.model}: shipped record of {self.date}, not this commit")


class StaleReading(NamedTuple):
    """A recorded reading that fits no text at hand: of another commit, or of a text that is not here."""

    reader: str
    date: str
    text: str
    commit: str | None


class Stale(Values):
    outcome: Literal["stale"] = "stale"
    commit: str
    readings: tuple[StaleReading, ...]

    def words(self) -> Words:
        each = "; ".join(
            f"{r.reader}'s of {r.date} was of commit {r.commit}, this is {self.commit}"
            if r.commit
            else f"{r.reader}'s of {r.date} was of text {r.text}, which is not here"
            for r in self.readings
        )
        return Words(f"a recorded reading matches no license text at this commit: {each}")


class Variant(Values):
    """Another variant, by its worst finding, whose sentence is quoted."""

    outcome: Literal["allows", "allows-with-care", "forbids", "open", "not-read"]
    model: str
    quoted: str
    stated: str | None = None
    hint: str | None = None
    findings: dict[str, str] = {}  # noqa: RUF012  pydantic copies defaults
    license: str | None = None
    commercial: str | None = None
    modify: str | None = None
    redistribute: str | None = None

    def words(self) -> Words:
        if self.outcome == "not-read":
            return Words(self.quoted, remedy=self.hint)
        return Words(self.quoted, self.stated)
