"""The entry of a model in a directory of models: what is known, who says so, and what is not settled."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import with_config
from typing_extensions import TypedDict

from evalkit.report.document.model.part import PART

Known = Literal["declared", "observed", "inferred", "vendor-reported", "third-party-reported", "stated", "unknown"]
Status = Literal["watch", "candidate", "rejected", "adopted"]
YesNo = Literal["yes", "no", "unknown"]


class Attribution(TypedDict):
    """Who says it, and when that was read."""

    source: str
    """An https address, or `run ID` for what this team measured."""
    date: str
    """ISO date, or year and month where the source says no more."""
    known_by: Known
    """How it is known; `stated`: by the person who asked for the entry."""


class Support(TypedDict):
    """One program that decodes the model in a mode, or was looked at and does not."""

    engine: str
    """Name of the program."""
    version: str
    """Release, branch or page that was looked at."""
    serves: Literal["http", "cli", "python", "unknown"]
    """How it is reached."""
    status: Literal["released", "pre-release", "fork", "documented", "open-pr", "not-known", "absent"]
    """`absent`: looked for, and not there; `not-known`: not tried."""
    note: str
    """What limits it."""
    by: Attribution
    """Who says so."""


class Measured(TypedDict):
    """What a run of this team measured; it says nothing about other machines or prompts."""

    configuration: str
    """The mode as the run named it, as in `diffusion@t0.9`."""
    qualified: str
    """pass, fail or inconclusive, against the checklist of the run."""
    concurrency: int | None
    """Requests in flight."""
    speedup: dict[str, Any] | None
    """In time: baseline, ratio, low, high, confidence, pairs; null where none was measured."""
    tokens_per_forward_pass: float | None
    """A count of passes, not time."""
    simulated: bool
    """The servers were scripted: no figure is about a real model."""
    by: Attribution
    """The run."""


class DecodingMode(TypedDict):
    """One way in which the model decodes."""

    mode: str
    """autoregressive, diffusion, self-speculation or speculative."""
    exists: YesNo
    """Whether the model has the mode, whoever serves it."""
    exists_by: Attribution
    """Who says so."""
    supported_by: list[Support]
    """The most usable first."""
    measured: list[Measured]
    """Empty without a run; one entry a configuration."""


class Architecture(TypedDict):
    """What the model is. Null: not seen."""

    tags: list[str]
    """diffusion-language-model, parallel-decoding, self-speculation, language-model; empty where nothing is known."""
    name: str | None
    """Class of the configuration."""
    model_type: str | None
    """Type of the configuration."""
    attention: str | None
    """Causal, full or by block."""
    block_size: int | None
    """Tokens that are decoded together."""
    parameters: int | None
    """Weights in all."""
    context_tokens: int | None
    """Configured window."""
    trained_context_tokens: int | None
    """Longest sequence in training."""
    by: Attribution
    """Who says so."""


class License(TypedDict):
    """The license of one variant, and what evalkit's license table says of it."""

    model: str
    """The variant."""
    license: str | None
    """As its card states it, or as it was recorded; null where nothing was read."""
    commercial: str
    """yes, no, conditional or unknown; a reading of the text, no legal advice."""
    modify: str
    """The same for modified copies."""
    redistribute: str
    """The same for passing it on."""
    by: Attribution
    """Who says that this is the license."""
    terms_by: Attribution
    """Who says what it allows."""


class Topic(TypedDict):
    """One of the three questions that keep an entry at `watch`."""

    settled: bool
    """Whether a source answers it."""
    note: str
    """What is missing, or what settled it."""
    by: Attribution | None
    """The source; null while it is open."""


class Settled(TypedDict):
    """The three questions. A team's own run settles none of them."""

    access: Topic
    """Who may download the weights, and by which steps."""
    independent_benchmarks: Topic
    """Figures that neither the vendor nor this team made."""
    production_deployment: Topic
    """Somebody who serves it in production, and how."""


class OwnEvaluation(TypedDict):
    """What this team's run decided, for its own use and machine."""

    run: str
    """Id of the run."""
    date: str
    """When it ended."""
    verdict: Literal["go", "no-go", "inconclusive"]
    """Of the run."""
    outcome: Status
    """watch (simulated or inconclusive), candidate (GO), rejected (NO-GO) or adopted, for this use."""
    use: dict[str, Any]
    """What the license was compared with."""
    recommended_mode: str | None
    """Non-null exactly after a GO."""
    versus_incumbent: str
    """In a sentence."""
    simulated: bool
    """The servers were scripted."""
    adopted: dict[str, str] | None
    """Who adopted it and when, where somebody said so."""


class VendorClaim(TypedDict):
    """A figure of the vendor. Never evidence."""

    claim: str
    """What it says."""
    value: float
    """The figure."""
    unit: str
    """Its unit; tokens per forward pass are a count, not time."""
    conditions: str | None
    """Under which it was reported."""
    by: Attribution
    """Where."""


class Link(TypedDict):
    """Something that belongs next to the entry."""

    id: str
    """Repository, paper or page."""
    relation: str
    """code, report, collection, derivative, upstream, family (the vendor's adjacent models), engine, provider, kv-cache
    or compare."""
    title: str
    """What it is."""
    license: str | None
    """Its license, where that was read."""
    notes: str | None
    """What to know about it."""
    by: Attribution
    """Where it was read."""


@with_config(PART)
class Entry(TypedDict):
    """The entry; the front matter of the page holds exactly this."""

    schema_version: Literal[1]
    """Within 1, fields are only added."""
    model: str
    """Hub id, or the name of a local folder."""
    family: str
    """The name without size and kind."""
    variant: str
    """The name of this repository."""
    provider: str | None
    """The account that publishes it; null for a local folder."""
    revision: str | None
    """Commit or content hash that was read; null for a shipped record."""
    architecture: Architecture
    """What it is."""
    decoding_modes: list[DecodingMode]
    """Exists, supported by, measured: three different things."""
    licenses: list[License]
    """A row a variant, this one first."""
    status: Status
    """`watch` while one of the three questions is open."""
    status_rule: str
    """How the status follows from the fields."""
    settled: Settled
    """The three questions."""
    own_evaluation: OwnEvaluation | None
    """The team's own run; null without one."""
    vendor_reported: list[VendorClaim]
    """Speed and passes as the vendor reports them."""
    related: list[Link]
    """The vendor's adjacent models, code, engines and models to compare with."""
    sources: list[str]
    """Every https address above, once."""
