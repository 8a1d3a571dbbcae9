"""Items, findings and waivers of report.json."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict


class Evidence(TypedDict):
    """Where a finding can be checked."""

    path: NotRequired[str]
    """File of the run folder."""
    url: NotRequired[str]
    """Public address."""
    sha256: NotRequired[str]
    """Hash of what was read."""
    note: NotRequired[str]
    """A remark."""


class FindingPart(TypedDict):
    """One tested statement and what became of it."""

    id: str
    """As `evalkit explain` takes it."""
    title: NotRequired[str]
    """What is tested, in a few words."""
    status: Literal["pass", "warn", "fail", "inconclusive", "error", "skipped", "not-applicable", "waived"]
    """What became of it."""
    outcome: NotRequired[str]
    """Which outcome of the finding's decision table was found; the status where the table has none."""
    counts: NotRequired[bool]
    """Whether it counts towards the verdict."""
    summary: str
    """One sentence with figures and units."""
    mode: NotRequired[str]
    """The mode that it is about; absent: the candidate."""
    variant: NotRequired[str]
    """The other variant that it is about."""
    observed: str | None
    """What was seen."""
    threshold: str | None
    """What was asked."""
    known_by: Literal["observed", "declared", "inferred", "vendor-reported", "third-party-reported"] | None
    """How the fact is known."""
    evidence: list[Evidence]
    """Where it can be checked."""
    remedy: NotRequired[str]
    """What to do next."""
    original_status: NotRequired[str]
    """Status before a waiver."""
    data: NotRequired[dict[str, Any]]
    """Figures: counts, intervals, ids."""


class ItemPart(TypedDict):
    """One of the six items with its findings."""

    id: Literal["license", "modes", "hardware", "serving", "quality", "context"]
    """Name of the item."""
    status: Literal["pass", "warn", "fail", "inconclusive", "error", "skipped", "not-applicable", "waived"]
    """For a per-mode item: that of the recommended mode."""
    required: bool
    """Whether a GO needs it."""
    summary: str
    """The sentence of the finding that made the status."""
    findings: list[FindingPart]
    """All its findings."""


class Waiver(TypedDict):
    """A waiver and whether it was used."""

    finding: NotRequired[str]
    """Id of the finding."""
    mode: NotRequired[str | None]
    """The mode that it covers; null: every mode."""
    case: NotRequired[str | None]
    """The one task case that it covers; null: the whole finding."""
    kind: NotRequired[str]
    """accepted-risk, remediated, false-positive or not-relevant."""
    reason: NotRequired[str]
    """Why the finding is accepted."""
    owner: NotRequired[str]
    """Who answers for it."""
    expires: NotRequired[str]
    """Last day on which it holds."""
    ticket: NotRequired[str | None]
    """Where it is tracked."""
    revision: NotRequired[str | None]
    """The commit that it is bound to."""
    state: NotRequired[Literal["used", "expired", "unused", "too-long", "other-revision"]]
    """used: it covers a finding; expired: its date has passed; unused: nothing to cover; too-long: more than 180 days;
    other-revision: for another commit.
    """
    original_status: NotRequired[str | None]
    """Status of the finding before."""


class Limit(TypedDict):
    """Something that the verdict does not cover."""

    id: str
    """asks-little, shipped-tasks, unseen-prompts, undeclared-templates, start-spread or time."""
    summary: str
    """What the verdict does not cover, in a sentence."""
    mode: NotRequired[str]
    """The mode that it limits; without one, all."""
