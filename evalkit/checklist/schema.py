"""The checklist: what the buyer asks, and the thresholds. Strict: unknown keys and wrong types are errors.

Reference: the contract in docs/checklist.md. Defaults stand here and nowhere else.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from evalkit.findings import ITEM_IDS, ItemId
from evalkit.modes import INCUMBENT, Mode, canonical


def _url(value: object) -> object:
    if isinstance(value, str) and not _URL.match(value):
        raise ValueError(f'"{value[:80]}" is no http(s) address: write it with its scheme, as http://127.0.0.1:30000')
    if isinstance(value, str) and "@" in value.split("/")[2]:
        raise ValueError("an address must not carry a user name or password: use api_key_env")
    return value.rstrip("/") if isinstance(value, str) else value


_URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?\Z")
Url = Annotated[str, BeforeValidator(_url), Field(max_length=2048)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


def _mode_label(value: object) -> object:
    return canonical(value) if isinstance(value, str) else value


ModeLabel = Annotated[str, BeforeValidator(_mode_label)]


def _adopt(value: object) -> object:
    if value != "any" and not (isinstance(value, list) and value):
        raise ValueError("write any, or a list of modes such as [diffusion, self-speculation]")
    return [canonical(label) if isinstance(label, str) else label for label in value] if value != "any" else value


class Section(BaseModel):
    """Base of all parts of a checklist. No `bool` for a number, no number for a text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Candidate(Section):
    model: Annotated[str, Field(min_length=1, max_length=512)]
    revision: str = "main"
    variants: list[str] = []


class Use(Section):
    """What the buyer will do with the model."""

    purpose: Literal["research", "evaluation", "internal", "product"] = "product"
    commercial: bool = True
    modify: bool = False
    redistribute: bool = False
    revenue_usd: Annotated[float, Field(ge=0)] | None = None
    monthly_users: Annotated[int, Field(ge=0)] | None = None
    field: str | None = None


class Request(Section):
    """What production sends with every request."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    max_tokens: Annotated[int, Field(gt=0)] = 512
    system: str | None = None
    extra_body: dict[str, Any] = {}


class Baseline(Section):
    speed: str = Mode.AUTOREGRESSIVE.value
    quality: str = Mode.AUTOREGRESSIVE.value

    @field_validator("speed", "quality")
    @classmethod
    def _known(cls, value: str) -> str:
        return value if value == INCUMBENT else canonical(value)


class Endpoint(Section):
    """Where one mode (or the incumbent) is served, or how to start it."""

    endpoint: Url | None = None
    model: str | None = None
    api_key_env: EnvName | None = None
    admin_key_env: EnvName | None = None
    launch: Annotated[list[str], Field(min_length=1)] | None = None
    stop: Annotated[list[str], Field(min_length=1)] | None = None
    ready_url: str | None = None
    ready_timeout_s: Positive = 900.0
    stats_file: str | None = None
    #: the admin's word on what the server runs when it cannot say so itself; shown as declared
    note: str | None = None


class Incumbent(Endpoint):
    required: bool = False


class Budget(Section):
    minutes: Positive | None = None
    requests: Annotated[int, Field(gt=0)] | None = None


class Cost(Section):
    usd_per_gpu_hour: Annotated[float, Field(ge=0)] | None = None


class NotApplicable(Section):
    reason: Annotated[str, Field(min_length=3, max_length=500)]


class Item(Section):
    required: bool = True
    #: declares that the item does not apply, with the reason; shown in the report
    not_applicable: NotApplicable | None = None


class Reading(Section):
    """A person's reading of a license text, bound to the text's hash."""

    text_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    commercial: bool | None = None
    modify: bool | None = None
    redistribute: bool | None = None
    by: Annotated[str, Field(min_length=1)]
    date: date
    note: str = ""


class ProviderTerms(Section):
    """Terms of a hosted service, as the buyer read them: declared evidence."""

    url: str
    commercial: bool
    by: str
    date: date
    note: str = ""


class LicenseItem(Item):
    readings: list[Reading] = []
    variants: Literal["shown", "required"] = "shown"
    provider_terms: ProviderTerms | None = None


class SpeedUp(Section):
    at_least: Positive = 1.0


class Latency(Section):
    """Upper limits in milliseconds, decided at `decide_at`."""

    ttft_p50_ms: Positive | None = None
    ttft_p95_ms: Positive | None = None
    ttft_p99_ms: Positive | None = None
    e2e_p50_ms: Positive | None = None
    e2e_p95_ms: Positive | None = None
    e2e_p99_ms: Positive | None = None


class ModesItem(Item):
    adopt: Annotated[Literal["any"] | list[ModeLabel], BeforeValidator(_adopt)] = "any"
    speedup: SpeedUp = SpeedUp()
    latency: Latency = Latency()
    concurrency: Annotated[list[Annotated[int, Field(gt=0, le=1024)]], Field(min_length=1, max_length=12)] = [1]
    decide_at: Annotated[int, Field(gt=0)] | None = None
    confidence: Annotated[float, Field(ge=0.8, le=0.999)] = 0.95
    repeats: Annotated[int, Field(ge=1, le=50)] = 2
    warmup: Annotated[int, Field(ge=0, le=100)] = 3
    order: Literal["abba", "random"] = "abba"
    seed: int = 1
    goodput: Share | None = None
    launch_order: list[ModeLabel] | None = None

    @property
    def level(self) -> int:
        """The concurrency at which the modes are decided."""
        return self.decide_at if self.decide_at is not None else self.concurrency[0]

    @model_validator(mode="after")
    def _measured(self) -> ModesItem:
        if self.decide_at is not None and self.decide_at not in self.concurrency:
            raise ValueError(f"decide_at {self.decide_at} is not one of concurrency {self.concurrency}")
        if len(set(self.concurrency)) != len(self.concurrency):
            raise ValueError("concurrency lists a level twice")
        return self


class HardwareItem(Item):
    #: a card's name, "cpu", or the JSON of `evalkit hardware --json`
    declared: str | dict[str, Any] | None = None
    precision: Literal["bf16", "fp8", "4bit"] = "bf16"
    overhead_gib: Annotated[float, Field(ge=0)] = 1.5


class Stability(Section):
    minutes: Positive


class ServingItem(Item):
    require: list[ModeLabel] | None = None
    allow: list[Literal["release", "pre-release", "fork"]] = ["release"]
    accept_inferred: bool = False
    stability: Stability | None = None


class Margins(Section):
    """Largest acceptable loss against the baseline, as a share, by kind of suite."""

    default: Share = 0.03
    chat: Share | None = None
    tools: Share | None = 0.02
    long: Share | None = 0.05
    structured: Share | None = None
    custom: Share | None = None

    def of(self, kind: str) -> float:
        value = getattr(self, kind, None)
        return float(value) if value is not None else self.default


class Floors(Section):
    """Smallest acceptable share of passed cases, by kind of suite."""

    default: Annotated[float, Field(ge=0, le=1)] = 0.5
    chat: Annotated[float, Field(ge=0, le=1)] | None = None
    tools: Annotated[float, Field(ge=0, le=1)] | None = None
    long: Annotated[float, Field(ge=0, le=1)] | None = None
    structured: Annotated[float, Field(ge=0, le=1)] | None = None
    custom: Annotated[float, Field(ge=0, le=1)] | None = None

    def of(self, kind: str) -> float:
        value = getattr(self, kind, None)
        return float(value) if value is not None else self.default


class QualityItem(Item):
    margin: Margins = Margins()
    floor: Floors = Floors()
    alpha: Annotated[float, Field(gt=0, le=0.2)] = 0.05
    #: share of cases that must have been scored
    completeness: Annotated[float, Field(gt=0, le=1)] = 0.98
    concurrency: Annotated[int, Field(gt=0, le=256)] = 1
    incumbent_margin: Share | None = None
    #: largest drop of the exact-match rate against the baseline's own A/A rate (self-speculation)
    match_margin: Share = 0.05
    allow_exec: bool = False


class RateNeed(Section):
    need_rpm: Annotated[float, Field(gt=0)] | None = None
    need_tpm: Annotated[float, Field(gt=0)] | None = None


class ContextItem(Item):
    need_tokens: Annotated[int, Field(gt=0)] | None = None
    need_output_tokens: Annotated[int, Field(gt=0)] | None = None
    probe: bool = False
    limits: RateNeed = RateNeed()


class Items(Section):
    license: LicenseItem = LicenseItem()
    modes: ModesItem = ModesItem()
    hardware: HardwareItem = HardwareItem()
    serving: ServingItem = ServingItem()
    quality: QualityItem = QualityItem()
    context: ContextItem = ContextItem()

    def of(self, item: ItemId) -> Item:
        value: Item = getattr(self, item)
        return value


class Waiver(Section):
    """Accepts a finding for a while. Bound to the model and commit of the run."""

    finding: Annotated[str, Field(pattern=r"^(license|modes|hardware|serving|quality|context)\.[a-z0-9-]+$")]
    mode: ModeLabel | None = None
    case: str | None = None
    kind: Literal["accepted-risk", "remediated", "false-positive", "not-relevant"] = "accepted-risk"
    reason: Annotated[str, Field(min_length=3, max_length=1000)]
    owner: Annotated[str, Field(min_length=1, max_length=200)]
    expires: date
    ticket: str | None = None
    revision: str | None = None


class Checklist(Section):
    schema_version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1, max_length=200)] = "unnamed checklist"
    profile: Literal["decide", "first-look"] = "decide"
    candidate: Candidate | None = None
    use: Use = Use()
    request: Request = Request()
    baseline: Baseline = Baseline()
    modes: Annotated[dict[str, Endpoint], Field(max_length=24)] = {}
    incumbent: Incumbent | None = None
    prompts: list[str] | None = None
    tasks: list[str] | None = None
    budget: Budget = Budget()
    cost: Cost = Cost()
    items: Items = Items()
    waivers: Annotated[list[Waiver], Field(max_length=200)] = []

    @field_validator("baseline", mode="before")
    @classmethod
    def _one_name(cls, value: object) -> object:
        return {"speed": value, "quality": value} if isinstance(value, str) else value

    @field_validator("modes", mode="before")
    @classmethod
    def _canonical_modes(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        named: dict[str, object] = {}
        for label, endpoint in value.items():
            name = canonical(label) if isinstance(label, str) else label
            if name in named:
                raise ValueError(f"mode {name!r} is configured twice")
            named[name] = endpoint
        return named

    @model_validator(mode="after")
    def _consistent(self) -> Checklist:
        if self.baseline.speed == INCUMBENT and self.incumbent is None:
            raise ValueError("baseline.speed is 'incumbent', but no incumbent is configured")
        if self.baseline.quality == INCUMBENT and self.incumbent is None:
            raise ValueError("baseline.quality is 'incumbent', but no incumbent is configured")
        return self

    @property
    def adopted(self) -> list[str]:
        """Labels of the modes that may be adopted, in configured order."""
        adopt = self.items.modes.adopt
        if adopt == "any":
            return [label for label in self.modes if label != self.baseline.speed]
        return list(adopt)

    def required(self, item: ItemId) -> bool:
        return self.items.of(item).required


class LoadedChecklist(BaseModel):
    """A checklist with where it came from. `lines` maps dotted paths to line numbers."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    checklist: Checklist
    path: Path | None
    #: relative paths of prompts and tasks resolve against it
    folder: Path
    sha256: str
    lines: dict[str, int] = {}

    def line(self, dotted: str) -> int | None:
        """The line of `dotted` or of its nearest parent that has one."""
        while dotted:
            if dotted in self.lines:
                return self.lines[dotted]
            dotted = dotted.rpartition(".")[0]
        return None


assert tuple(Items.model_fields) == ITEM_IDS
