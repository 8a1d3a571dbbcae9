"""The vocabulary of a decision: statuses, how a fact is known, findings and the checks that make them.

Pure data: nothing here touches the world. A `Check` is the metadata of one tested statement; its pages
in the docs and in `evalkit explain` are generated from it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

ItemId = Literal["license", "modes", "hardware", "serving", "quality", "context"]
ITEM_IDS: tuple[ItemId, ...] = ("license", "modes", "hardware", "serving", "quality", "context")

#: items decided once for the candidate, and those decided per decoding mode
CANDIDATE_ITEMS: tuple[ItemId, ...] = ("license", "hardware", "context")
PER_MODE_ITEMS: tuple[ItemId, ...] = ("modes", "serving", "quality")


class Status(StrEnum):
    """What a finding says of its statement."""

    PASS = "pass"  # noqa: S105  a status, no password
    WARN = "warn"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    SKIPPED = "skipped"
    NOT_APPLICABLE = "not-applicable"
    WAIVED = "waived"

    @property
    def carries(self) -> bool:
        """Whether it does not prevent GO."""
        return self in (Status.PASS, Status.WARN, Status.NOT_APPLICABLE, Status.WAIVED)

    @property
    def open(self) -> bool:
        """Whether it was neither shown to hold nor shown not to hold."""
        return self in (Status.INCONCLUSIVE, Status.ERROR, Status.SKIPPED)


#: Worst first: what a group of findings amounts to.
SEVERITY: tuple[Status, ...] = (
    Status.FAIL,
    Status.ERROR,
    Status.INCONCLUSIVE,
    Status.SKIPPED,
    Status.WARN,
    Status.WAIVED,
    Status.PASS,
    Status.NOT_APPLICABLE,
)


def worst(statuses: list[Status]) -> Status:
    """The status of a group: its worst member. An empty group showed nothing: inconclusive."""
    return min(statuses, key=SEVERITY.index) if statuses else Status.INCONCLUSIVE


class KnownBy(StrEnum):
    """How a fact is known. Vendor and third-party figures never count as evidence."""

    OBSERVED = "observed"
    DECLARED = "declared"
    INFERRED = "inferred"
    VENDOR_REPORTED = "vendor-reported"
    THIRD_PARTY_REPORTED = "third-party-reported"


class Frozen(BaseModel):
    """Base of all facts and findings: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text:
    """Marks a field whose text may quote a prompt, a reply, a server or a person: `evalkit.redaction` hides it."""


class Fingerprint:
    """Marks a hash of a prompt or reply, which would let its text be guessed: hidden with the texts."""


class Sketch:
    """Marks a bit string that says which words a reply has: its bits are mixed with the texts, alike in all replies."""


Quoted = Annotated[str, Text]
Hashed = Annotated[str, Fingerprint]
Bits = Annotated[str, Sketch, Field(pattern="^[0-9a-f]{256}$")]


class Evidence(Frozen):
    """Where a finding can be checked: a file of the run folder (relative path) or a public address."""

    path: str | None = None
    url: str | None = None
    sha256: str | None = None
    note: str | None = None


class Finding(Frozen):
    """One tested statement and what became of it."""

    id: str
    item: ItemId
    status: Status
    #: Which of the check's outcomes was found; empty where no check made it: waivers, items that were skipped.
    outcome: str = ""
    summary: str
    #: Counts towards the verdict. Findings about other variants and information do not.
    counts: bool = True
    mode: str | None = None
    variant: str | None = None
    observed: str | None = None
    threshold: str | None = None
    known_by: KnownBy | None = None
    evidence: tuple[Evidence, ...] = ()
    remedy: str | None = None
    #: Set when a waiver covers the finding: what the status was before.
    original_status: Status | None = None
    #: Machine-readable figures (counts, intervals, ids), for JSON and charts.
    data: dict[str, object] = {}


class Words(NamedTuple):
    """What a finding says: one sentence, the cells beside it, and what to do where the check's remedy does not fit."""

    summary: str
    observed: str | None = None
    threshold: str | None = None
    remedy: str | None = None


class Values(Frozen):
    """What the findings of one check carry: typed figures and names, and the only place that says them.

    A subclass narrows `outcome` to a `Literal` of the outcomes that its check declares. Deciding makes values and
    holds no sentence; `words` makes sentences and decides nothing. The fields are the finding's `data` in report.json.
    """

    #: fields that stay in `data` as null where nothing is known; the others are left out
    NULLS: ClassVar[tuple[str, ...]] = ()
    outcome: str

    @abstractmethod
    def words(self) -> Words:
        """The values as a reader meets them."""

    def data(self) -> dict[str, object]:
        """The fields as JSON holds them, without the outcome and without what is not known."""
        known = self.model_dump(mode="json", exclude={"outcome"}, exclude_none=True)
        return {**dict.fromkeys(self.NULLS), **known}


@dataclass(frozen=True)
class Check:
    """Metadata of a finding. Ids read `item.what`; `remedy` says what to do when it does not pass.

    `outcomes` is the check's decision table: every outcome that it can find, with the status that it has.
    """

    id: str
    title: str
    why: str
    remedy: str
    #: whether it is decided for each mode, where that is otherwise than with its item
    by_mode: bool | None = None
    sources: tuple[str, ...] = field(default=())
    outcomes: Mapping[str, Status] = field(default_factory=dict, compare=False)

    @property
    def item(self) -> ItemId:
        name = self.id.split(".", 1)[0]
        for known in ITEM_IDS:
            if known == name:
                return known
        raise ValueError(f"check id {self.id!r} does not start with an item")

    @property
    def per_mode(self) -> bool:
        """Whether it is decided for each decoding mode, not once."""
        return self.item in PER_MODE_ITEMS if self.by_mode is None else self.by_mode

    def found(
        self,
        values: Values,
        *,
        mode: str | None = None,
        variant: str | None = None,
        known_by: KnownBy | None = None,
        evidence: tuple[Evidence, ...] = (),
        counts: bool = True,
    ) -> Finding:
        """A finding with the status that the check declares for the outcome, in the words of the values."""
        status = self.outcomes[values.outcome]
        words = values.words()
        fallback = None if status in (Status.PASS, Status.NOT_APPLICABLE) else self.remedy
        return Finding(
            id=self.id,
            item=self.item,
            status=status,
            outcome=values.outcome,
            summary=words.summary,
            mode=mode,
            variant=variant,
            observed=words.observed,
            threshold=words.threshold,
            known_by=known_by,
            evidence=evidence,
            remedy=words.remedy or fallback,
            counts=counts,
            data=values.data(),
        )
