"""The six items of a checklist: what each asks, and its thresholds."""

# ruff: noqa: RUF012  pydantic copies defaults
from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from evalkit.checklist.base import EnvName, Floor, ModeLabel, Positive, Section, Share, Url
from evalkit.checklist.load import CapacityAsked, LoadPoint
from evalkit.findings import ITEM_IDS, ItemId
from evalkit.modes import canonical


def _adopt(value: object) -> object:
    if value != "any" and not (isinstance(value, list) and value):
        raise ValueError("write any, or a list of modes such as [diffusion, self-speculation]")
    return [canonical(label) if isinstance(label, str) else label for label in value] if value != "any" else value


class NotApplicable(Section):
    reason: Annotated[str, Field(min_length=3, max_length=500)]
    """Why the item does not apply. The report shows it."""


class Item(Section):
    required: bool = True
    """Whether a GO needs the item. One that is not required is shown and never counted."""
    not_applicable: NotApplicable | None = None
    """Declares that the item does not apply, with the reason; it does not prevent GO."""


class Reading(Section):
    """A person's reading of a license text, bound to the text's hash."""

    text_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """sha256 of the text that was read, as the report names it. Another text, another reading."""
    commercial: bool | None = None
    """Whether the text allows commercial use; absent: the reader does not say."""
    modify: bool | None = None
    """Whether the text allows changed weights; absent: the reader does not say."""
    redistribute: bool | None = None
    """Whether the text allows passing the weights on; absent: the reader does not say."""
    by: Annotated[str, Field(min_length=1)]
    """Who read it."""
    date: date
    """When it was read."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    """Commit of the model that was read; when given, the reading goes stale with the next commit."""
    note: str = ""
    """A remark that the report shows with it."""


class ProviderTerms(Section):
    """Terms of a hosted service, as the buyer read them: declared evidence."""

    url: str
    """Where the terms are. Shown, never fetched."""
    commercial: bool
    """Whether they allow the use that the checklist names."""
    by: str
    """Who read them."""
    date: date
    """When they were read."""
    note: str = ""
    """A remark that the report shows with it."""


class LicenseItem(Item):
    """May we use the weights for what we want to do?"""

    readings: list[Reading] = []
    """Readings of license texts that the table does not decide."""
    text: str | None = None
    """File with the candidate's license text, for a repository that holds none. Kept as evidence with its hash."""
    variants: Literal["shown", "required"] = "shown"
    """`required`: the licenses of `candidate.variants` count too."""
    provider_terms: ProviderTerms | None = None
    """For a hosted service: its terms, as somebody read them."""


class SpeedUp(Section):
    at_least: Positive = 1.0
    """Smallest acceptable ratio of the baseline's end-to-end time to the mode's. Its interval must lie above."""


class Latency(Section):
    """Upper limits in milliseconds, decided at `decide_at`. Absent: not asked."""

    ttft_p50_ms: Positive | None = None
    """Median TTFT."""
    ttft_p95_ms: Positive | None = None
    """95th percentile of TTFT; needs 59 prompts."""
    ttft_p99_ms: Positive | None = None
    """99th percentile of TTFT; needs 299 prompts."""
    e2e_p50_ms: Positive | None = None
    """Median end-to-end latency."""
    e2e_p95_ms: Positive | None = None
    """95th percentile of the end-to-end latency; needs 59 prompts."""
    e2e_p99_ms: Positive | None = None
    """99th percentile of the end-to-end latency; needs 299 prompts."""


class Repeated(Section):
    """Prompts that are timed again once they were answered, caches kept: what a warm server does. Never decides."""

    prompts: Annotated[int, Field(ge=0, le=500)] = 8
    """How many prompts; 0: none. With a budget they take at most a twelfth of it: fewer are taken, or none."""


class ModesItem(Item):
    """How fast is each mode on our prompts, against the baseline?"""

    adopt: Annotated[Literal["any"] | list[ModeLabel], BeforeValidator(_adopt)] = "any"
    """Modes that may be adopted: `any` is every configured mode but the baseline."""
    speedup: SpeedUp = SpeedUp()
    """The speed-up that is asked for."""
    latency: Latency = Latency()
    """Limits on latency."""
    concurrency: Annotated[list[Annotated[int, Field(gt=0, le=1024)]], Field(min_length=1, max_length=12)] = [1]
    """Requests in flight, one level after the other."""
    decide_at: Annotated[int, Field(gt=0)] | Literal["load", "capacity"] | None = None
    """What decides: a level of `concurrency` (default: the first), `load` (the first entry of `load`), or `capacity`.
    What is not decided at is information."""
    load: Annotated[list[LoadPoint], Field(max_length=8)] = []
    """Open loads: arrivals at a rate, or the replay of a trace. Every mode gets the same arrivals, block by block."""
    capacity: CapacityAsked | None = None
    """Search for the highest rate at which each mode keeps a service level; absent: none."""
    confidence: Annotated[float, Field(ge=0.8, le=0.999)] = 0.95
    """Confidence of the speed-up's two-sided interval."""
    repeats: Annotated[int, Field(ge=1, le=50)] = 2
    """How often each prompt is timed in each mode. Two readings of the baseline are the noise floor."""
    warmup: Annotated[int, Field(ge=0, le=100)] = 3
    """Untimed requests before the timed ones, a mode."""
    order: Literal["abba", "random"] = "abba"
    """How the modes take turns on a prompt: there and back (which mode comes first is drawn), or drawn each time."""
    cache: Literal["flush", "salt-each"] = "flush"
    """How caches are kept from helping: emptied where a server allows it (else each prompt carries a text that is the
    same for all modes), or `salt-each`: every single reading carries a text of its own."""
    launches: Literal["single", "replicated"] | None = None
    """How often servers are started that cannot be up together: once, or several times; default: as often as the budget
    allows, up to three times each."""
    start_sd: Annotated[float, Field(ge=0, le=0.5)] = 0.03
    """Spread that is assumed between starts of one server, as a share of its time, where servers are not restarted."""
    outside_cpu: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Share of the cores that other processes may use while modes are timed (median); above it every claim is open."""
    outside_gpu: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share of a server's GPU that processes of others may use while modes are timed (median); above it, or where they
    take a GiB more of its memory, every claim is open."""
    seed: int = 1
    """Fixes every draw: the same seed, the same order."""
    goodput: Share | None = None
    """Smallest acceptable share of requests that meet every latency limit."""
    fixed_length: bool = False
    """Whether up to 40 prompts are timed once more with `ignore_eos`, so that all modes say as much: a diagnosis of
    decoding speed in addition to the answers as they are served. It never decides."""
    turns: Literal["scripted", "live"] | None = None
    """How `messages` with several turns are timed: `scripted` asks turn by turn, with the recorded turns of the
    assistant in place; `live` feeds each mode's own replies on. Absent: whole, as the last of its requests."""
    pauses: bool = False
    """Whether the time between two turns is that of the log (`at_ms` of the messages), up to 60 s; else none."""
    repeated: Repeated = Repeated()
    """Prompts that are timed again once they were answered, after the decided ones, with caches left as they are."""
    launch_order: list[ModeLabel] | None = None
    """The order in which servers are started that cannot be up together."""

    @property
    def level(self) -> int:
        """The concurrency at which the modes are decided, or read for what no open load shows."""
        return self.decide_at if isinstance(self.decide_at, int) else self.concurrency[0]

    @property
    def decides(self) -> Literal["concurrency", "load", "capacity"]:
        """What kind of load the speed of the modes is decided at."""
        return self.decide_at if isinstance(self.decide_at, str) else "concurrency"

    @model_validator(mode="after")
    def _measured(self) -> ModesItem:
        if isinstance(self.decide_at, int) and self.decide_at not in self.concurrency:
            raise ValueError(f"decide_at {self.decide_at} is not one of concurrency {self.concurrency}")
        if len(set(self.concurrency)) != len(self.concurrency):
            raise ValueError("concurrency lists a level twice")
        if self.decide_at == "load" and not self.load:
            raise ValueError("decide_at is load, but load has no entry")
        if self.decide_at == "capacity" and self.capacity is None:
            raise ValueError("decide_at is capacity, but capacity is not given")
        if len({point.key for point in self.load}) != len(self.load):
            raise ValueError("load lists an entry twice")
        return self


class HardwareItem(Item):
    """Does it fit, and run undisturbed, on the cards we have?"""

    declared: str | dict[str, Any] | None = None
    """What is behind the endpoint when evalkit does not run on it: a card's name (`2x L4`), `cpu`, or the JSON of
    `evalkit hardware --json` from there."""
    precision: Literal["bf16", "fp8", "4bit"] = "bf16"
    """Precision of the weights that the fit is computed for."""
    overhead_gib: Annotated[float, Field(ge=0)] = 1.5
    """Memory in addition to weights and cache that the fit assumes, in GiB."""


class Stability(Section):
    minutes: Positive
    """How long each mode is kept under load."""


class ServingItem(Item):
    """Is each server what it should be, and does it stay up?"""

    require: list[ModeLabel] | None = None
    """Modes whose server must be there and known; default: the configured ones."""
    allow: list[Literal["release", "pre-release", "fork"]] = ["release"]
    """Kinds of engine build that may serve. A fork that is allowed is a warning."""
    accept_inferred: bool = False
    """Whether a mode that was only inferred from the stream is enough, as a warning."""
    stability: Stability | None = None
    """A soak under load; absent: none."""


class Margins(Section):
    """Largest acceptable loss against the baseline, as a share, by kind of suite."""

    default: Share = 0.03
    """For kinds without a margin of their own."""
    chat: Share | None = None
    """For suites with `kind: chat`."""
    tools: Share | None = 0.02
    """For suites with `kind: tools`."""
    long: Share | None = 0.05
    """For suites with `kind: long`."""
    structured: Share | None = None
    """For suites with `kind: structured`."""
    custom: Share | None = None
    """For suites with `kind: custom`."""

    def of(self, kind: str) -> float:
        value = getattr(self, kind, None)
        return float(value) if value is not None else self.default


class Floors(Section):
    """Smallest acceptable share of passed cases, by kind of suite."""

    default: Floor = 0.5
    """For kinds without a floor of their own."""
    chat: Floor | None = None
    """For suites with `kind: chat`."""
    tools: Floor | None = None
    """For suites with `kind: tools`."""
    long: Floor | None = None
    """For suites with `kind: long`."""
    structured: Floor | None = None
    """For suites with `kind: structured`."""
    custom: Floor | None = None
    """For suites with `kind: custom`."""

    def of(self, kind: str) -> float:
        value = getattr(self, kind, None)
        return float(value) if value is not None else self.default


class Judge(Section):
    """A model that answers `rubric` and `prefer` of task cases. What it says is shown and never decides."""

    endpoint: Url
    """Address of an OpenAI-style server."""
    model: Annotated[str, Field(min_length=1)]
    """Name that the server serves the judge under."""
    api_key_env: EnvName | None = None
    """Name of the environment variable that holds the key. Never the key itself."""


class QualityItem(Item):
    """What does the faster mode lose on our tasks?"""

    margin: Margins = Margins()
    """Largest acceptable loss: the one-sided bound of the paired difference must lie above minus this."""
    floor: Floors = Floors()
    """Smallest acceptable share of passed cases; a baseline below it cannot be compared with."""
    alpha: Annotated[float, Field(gt=0, le=0.2)] = 0.05
    """One-sided error of the non-inferiority test."""
    completeness: Annotated[float, Field(gt=0, le=1)] = 0.98
    """Share of the cases that must have been scored."""
    concurrency: Annotated[int, Field(gt=0, le=1024)] | None = None
    """Requests in flight while tasks are asked; default: the level that decides the modes."""
    alone: Annotated[int, Field(ge=0, le=5000)] = 0
    """Cases that are asked again one at a time, in every mode: does quality fall when the batch is full? 0: none."""
    incumbent_margin: Share | None = None
    """Largest acceptable loss against the incumbent; absent: the suite's margin."""
    match_margin: Share = 0.05
    """Largest drop of the exact-match rate against the baseline's own two readings (self-speculation)."""
    allow_exec: bool = False
    """Stays false: code that a model wrote runs only where `evalkit run` is given `--allow-exec`, never by a file."""
    judge: Judge | None = None
    """The model that judges; absent: `rubric` and `prefer` are not asked."""

    @field_validator("allow_exec")
    @classmethod
    def _by_flag(cls, value: bool) -> bool:
        if value:
            raise ValueError("a file cannot allow that code runs: give --allow-exec to evalkit run")
        return value


class RateNeed(Section):
    need_rpm: Annotated[float, Field(gt=0)] | None = None
    """Requests a minute that production sends."""
    need_tpm: Annotated[float, Field(gt=0)] | None = None
    """Tokens a minute, prompt and reply together, that production sends."""


class ContextItem(Item):
    """Does the context that is claimed hold at the lengths we use?"""

    need_tokens: Annotated[int, Field(gt=0)] | None = None
    """Tokens of prompt and reply together; default: the longest prompt and its max_tokens."""
    need_output_tokens: Annotated[int, Field(gt=0)] | None = None
    """Tokens of one reply."""
    probe: bool = False
    """Whether facts hidden at several depths are asked for at the needed length."""
    limits: RateNeed = RateNeed()
    """Rate limits of a hosted service that must not be in the way."""


class Items(Section):
    """The six items, in the order in which they are worked through."""

    license: LicenseItem = LicenseItem()
    """May we use the weights for what we want to do?"""
    modes: ModesItem = ModesItem()
    """How fast is each mode on our prompts, against the baseline?"""
    hardware: HardwareItem = HardwareItem()
    """Does it fit, and run undisturbed, on the cards we have?"""
    serving: ServingItem = ServingItem()
    """Is each server what it should be, and does it stay up?"""
    quality: QualityItem = QualityItem()
    """What does the faster mode lose on our tasks?"""
    context: ContextItem = ContextItem()
    """Does the context that is claimed hold at the lengths we use?"""

    @property
    def streams(self) -> int:
        """Requests in flight while tasks are asked."""
        return self.quality.concurrency or self.modes.level

    @property
    def alone(self) -> int:
        """Cases to ask again one at a time: none where all are asked so."""
        return self.quality.alone if self.streams > 1 else 0

    def of(self, item: ItemId) -> Item:
        value: Item = getattr(self, item)
        return value


assert tuple(Items.model_fields) == ITEM_IDS
