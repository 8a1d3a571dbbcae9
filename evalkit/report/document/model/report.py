"""report.json as a whole."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from evalkit.report.document.model.findings import ItemPart, Limit, Waiver
from evalkit.report.document.model.modes import Frontier, Mode, PromptRow, Timeline
from evalkit.report.document.model.origin import (
    Asked,
    Baselines,
    Candidate,
    Gpu,
    Provenance,
    Regraded,
    VendorClaim,
    Witness,
)
from evalkit.report.document.model.part import PART
from evalkit.report.document.model.quality import Length, Quality
from evalkit.report.document.model.sweep import SweepPart


@with_config(PART)
class Report(TypedDict):
    """report.json, schema_version 1. Within a major version fields are only added: readers ignore fields that they do
    not know.
    """

    schema_version: Literal[1]
    """Version of this format. Within a major version fields are only added."""
    evalkit_version: str
    """Version of evalkit that collected the run."""
    other_versions: NotRequired[list[str]]
    """One line a later session under another evalkit than the run began with."""
    run_id: str
    """Random name of the run."""
    started_at: str
    """ISO 8601, UTC."""
    finished_at: str | None
    """ISO 8601, UTC; null when the run did not end."""
    simulated: bool
    """The servers were scripted stand-ins: no figure says anything about a real model."""
    redacted: NotRequired[bool]
    """Texts of prompts and replies were left out."""
    report_only: NotRequired[bool]
    """The process ended with 0 whatever the verdict."""
    interrupted: NotRequired[bool]
    """The run was stopped before its plan was done."""
    stopped_by: NotRequired[str | None]
    """Why the run ended early: budget, a failed item; null when it did not."""
    checklist: Asked
    """What was asked."""
    candidate: Candidate
    """The model under test."""
    use: NotRequired[dict[str, Any]]
    """`use` of the checklist: purpose, commercial, modify, redistribute, revenue_usd, monthly_users, field."""
    verdict: Literal["go", "no-go", "inconclusive"]
    """The answer."""
    exit_code: Literal[0, 1, 3]
    """Exit code that belongs to the verdict: 0 go, 1 no-go, 3 inconclusive."""
    recommended_mode: str | None
    """The fastest mode that passes every required item; a text exactly when the verdict is go."""
    reasons: list[str]
    """Why, in sentences, most important first."""
    versus_incumbent: NotRequired[str]
    """Against the model used today: better, worse or NOT COMPARED, with the reason."""
    next_steps: NotRequired[list[str]]
    """What would settle whatever is open or failed: each remedy once, with its findings and modes, most urgent first.

    """
    items: Annotated[list[ItemPart], Field(min_length=6, max_length=6)]
    """The six items, always in this order."""
    baseline: NotRequired[Baselines]
    """What the modes are compared with."""
    decided_at_concurrency: NotRequired[int]
    """The level of concurrency that decides; the others are information."""
    modes: list[Mode]
    """One entry a configured mode, in the checklist's order."""
    incumbent: Mode | None
    """The model used today, in the shape of a mode; null when none is configured."""
    sweep: NotRequired[SweepPart | None]
    """How the settings of the swept mode were screened; null without a sweep."""
    frontier: NotRequired[list[Frontier]]
    """Latency and quality, on the prompts and cases common to all modes."""
    quality: NotRequired[Quality]
    """Task suites by mode, and the cases that a mode lost."""
    lengths: NotRequired[list[Length]]
    """Length achieved against length asked, from the `length` grader."""
    context_probes: NotRequired[list[dict[str, Any]]]
    """What was asked at long contexts, and what came back, a mode."""
    prompts: NotRequired[list[PromptRow]]
    """Each prompt's own speed-up, those that gain least first; at most 5,000."""
    prompts_total: NotRequired[int]
    """Prompts that were timed at the deciding concurrency."""
    timelines: NotRequired[list[Timeline]]
    """When the tokens of a few requests arrived, mode by mode."""
    vendor_claims: list[VendorClaim]
    """What the vendor reports, next to our figure of the same kind. Never evidence."""
    gpus: list[Gpu]
    """The cards behind the endpoints, without serial numbers."""
    waivers: list[Waiver]
    """Waivers of the checklist, and what became of each."""
    not_shown: NotRequired[list[str]]
    """What this report does not show, in sentences."""
    provenance: Provenance
    """Where the figures come from: versions, hashes, seeds, machines, servers."""
    reproduce: NotRequired[str]
    """One command that makes the run again."""
    integrity: NotRequired[list[str]]
    """What is wrong with the stored evidence; empty when all of it is as it was written."""
    cannot: NotRequired[list[str]]
    """What this source can no longer do because its texts were left out."""
    regraded: NotRequired[list[Regraded]]
    """Suites by which `--regrade` graded the stored replies again; empty: the grades are the run's own."""
    limits: NotRequired[list[Limit]]
    """What the verdict on speed does not cover: kinds of prompts that were not drawn, starts, templates, time."""
    witness: NotRequired[Witness | None]
    """What else the machine did while modes were timed; null where it was not seen."""
    adopted: NotRequired[dict[str, Any]]
    """Who adopted the candidate, and when: by, on. Only in the entry for a model directory."""
