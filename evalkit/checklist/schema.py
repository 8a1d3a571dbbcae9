"""The checklist: what the buyer asks, and the thresholds. Strict: unknown keys and wrong types are errors.

Reference: docs/checklist.md, made from the texts under the keys. Defaults are here and in `items` and nowhere else.
"""

# ruff: noqa: RUF012  pydantic copies defaults
from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from evalkit.checklist.base import SETTINGS, EnvName, Extra, ModeLabel, Positive, Section, Url
from evalkit.checklist.items import Items, ModesItem, QualityItem, Reading
from evalkit.checklist.prices import Cost
from evalkit.checklist.sweep import Sweep
from evalkit.checklist.tasks import HarnessTask
from evalkit.client.origin import address_of
from evalkit.errors import UsageError
from evalkit.findings import ItemId
from evalkit.limits import CONTROL, GENERATION, ControlLimits, Limits
from evalkit.modes import INCUMBENT, Mode, canonical
from evalkit.text import cut

__all__ = [
    "Baseline",
    "Candidate",
    "Checklist",
    "Endpoint",
    "Items",
    "LoadedChecklist",
    "ModesItem",
    "QualityItem",
    "Reading",
    "Request",
    "Section",
    "Use",
    "Waiver",
]


class Candidate(Section):
    """The model that may be adopted."""

    model: Annotated[str, Field(min_length=1, max_length=512)]
    """Hub id, a folder with README.md and config.json, or a file of `evalkit snapshot`."""
    revision: str = "main"
    """Branch, tag or commit. It is resolved to a commit, which the run records."""
    variants: list[str] = []
    """Other repositories whose license and fit are shown too."""
    same_as: list[Annotated[str, Field(min_length=1, max_length=512)]] = []
    """Further names under which servers serve this very model, or which their replies carry; recorded as declared."""
    same_weights: bool = False
    """Whether servers that load another architecture class, or give another model type, serve these weights."""


class Use(Section):
    """What the buyer will do with the model."""

    purpose: Literal["research", "evaluation", "internal", "product"] = "product"
    """What it is for. Some licenses allow research or evaluation only."""
    commercial: bool = True
    """Whether the use is commercial."""
    modify: bool = False
    """Whether the weights will be changed (fine-tuning, merging)."""
    redistribute: bool = False
    """Whether the weights will be passed on."""
    revenue_usd: Annotated[float, Field(ge=0)] | None = None
    """Annual revenue, for licenses that end above a sum."""
    monthly_users: Annotated[int, Field(ge=0)] | None = None
    """Monthly active users, for licenses that end above a number."""
    field: str | None = None
    """The field of use in a few words, shown with a license's restrictions."""


class Request(Section):
    """What production sends with every request. Prompts and cases may override it."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Above 0, `serving.sampling-honoured` becomes a requirement."""
    max_tokens: Annotated[int, Field(gt=0)] = 512
    """Longest reply, in tokens, where a prompt does not say."""
    system: str | None = None
    """System message of every request."""
    extra_body: Extra = {}
    """Further fields of the request's JSON, sent as they are."""


class Baseline(Section):
    """What the modes are compared with. One name sets both."""

    speed: str = Mode.AUTOREGRESSIVE.value
    """Mode (or `incumbent`) that a speed-up is measured against."""
    quality: str = Mode.AUTOREGRESSIVE.value
    """Mode (or `incumbent`) that a loss is measured against."""

    @field_validator("speed", "quality")
    @classmethod
    def _known(cls, value: str) -> str:
        return value if value == INCUMBENT else canonical(value)


class Endpoint(Section):
    """Where one mode (or the incumbent) is served, or how to start it."""

    endpoint: Url | None = None
    """Address of a server that is up: scheme, host, port, and a prefix before `/v1`."""
    model: str | None = None
    """Name that the server serves the model under; default: the first that it lists."""
    api_key_env: EnvName | None = None
    """Name of the environment variable that holds the key. Never the key itself."""
    api_key_header: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")] | None = None
    """Header that carries the key as it is, such as `api-key`; default: `Authorization: Bearer`."""
    admin_key_env: EnvName | None = None
    """Name of the variable with the key for flushing the cache, where the server has one."""
    launch: Annotated[list[str], Field(min_length=1)] | None = None
    """Command that starts the server, a list of words; `{model}`, `{port}` and `{context}` are filled in."""
    launch_env: list[EnvName] = []
    """Names of variables that the launched server gets beyond its own key and the settings of the system, CUDA and the
    Hub: `[HF_TOKEN]` for a gated model. Keys of other modes are not passed on."""
    stop: Annotated[list[str], Field(min_length=1)] | None = None
    """Command that stops it; absent: its process group is asked to end."""
    ready_url: str | None = None
    """Address that answers 200 once the server is ready; default: its list of models."""
    ready_timeout_s: Positive = 900.0
    """How long the start may take, in seconds."""
    stats_file: str | None = None
    """File of this machine to which the SGLang fork writes its forward passes (`stats_file` of its YAML)."""
    min_tokens_per_forward: Positive | None = None
    """Fewest tokens a forward pass, by `stats_file`, with which the drafter counts as loaded."""
    differs: list[str] = []
    """Settings in which the mode may differ from its baseline, as that is part of the offer (`tp_size`, `gpu`, …)."""
    note: str | None = None
    """The admin's word on what the server runs when it cannot say so itself; shown as declared."""
    cost: Cost = Cost()
    """Prices of this server, over those of `cost` at the top, which are those of the modes and not of the incumbent."""

    @property
    def environment(self) -> list[str]:
        """Names of the variables that a launched server gets by name."""
        return [*(name for name in (self.api_key_env, self.admin_key_env) if name), *self.launch_env]

    @field_validator("differs")
    @classmethod
    def _known_settings(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in SETTINGS:
                raise ValueError(f"{cut(name, 60)!r} is not a setting that is compared: one of {', '.join(SETTINGS)}")
        return value


class Incumbent(Endpoint):
    """The model that the team uses today, behind any OpenAI-style endpoint."""

    required: bool = False
    """Whether a GO needs the comparison with it."""


class Budget(Section):
    """Upper limits of the whole run. What does not fit is not measured, and the report says so."""

    minutes: Positive | None = None
    """Minutes, starts of servers included."""
    requests: Annotated[int, Field(gt=0)] | None = None
    """Requests, warm-ups included."""


class Waiver(Section):
    """Accepts a finding for a while. Bound to the model and commit of the run."""

    finding: Annotated[str, Field(pattern=r"^(license|modes|hardware|serving|quality|context)\.[a-z0-9-]+$")]
    """Id of the finding."""
    mode: ModeLabel | None = None
    """The mode that it covers; absent: every mode."""
    case: str | None = None
    """The one task case that it covers."""
    kind: Literal["accepted-risk", "remediated", "false-positive", "not-relevant"] = "accepted-risk"
    """Why the finding is accepted."""
    reason: Annotated[str, Field(min_length=3, max_length=1000)]
    """The reason, in a sentence that an auditor understands."""
    owner: Annotated[str, Field(min_length=1, max_length=200)]
    """The person who answers for it."""
    expires: date
    """Last day on which it holds, at most 180 days ahead."""
    ticket: str | None = None
    """Where it is tracked."""
    revision: str | None = None
    """The commit of the model that it is bound to."""


def _task_kind(value: object) -> str:
    return "[harness]" if isinstance(value, dict | HarnessTask) else "[file]"


#: brackets in the tags keep them out of messages
Task = Annotated[Annotated[str, Tag("[file]")] | Annotated[HarnessTask, Tag("[harness]")], Discriminator(_task_kind)]


_Count = Annotated[int, Field(gt=0)]


class LimitsSection(Section):
    """How long evalkit waits for a server, and how much it reads. A request beyond them has failed."""

    connect_s: Positive = GENERATION.connect_s
    """Seconds until a connection is open."""
    first_byte_s: Positive = GENERATION.first_byte_s
    """Seconds from a request's last byte to its reply's first."""
    idle_s: Positive = GENERATION.idle_s
    """Seconds of silence inside a reply."""
    total_s: Positive = GENERATION.total_s
    """Seconds of a whole reply; raise it for outputs that take longer."""
    max_bytes: _Count = GENERATION.max_bytes
    """Bytes of a whole reply."""
    max_line_bytes: _Count = GENERATION.max_line_bytes
    """Bytes of one event of a stream."""
    max_events: _Count = GENERATION.max_events
    """Events of one stream."""
    control_total_s: Positive = CONTROL.total_s
    """Seconds for each answer of a server about itself (models, settings, metrics)."""

    def generation(self) -> Limits:
        """Deadlines and caps of a request for text."""
        return replace(GENERATION, **self.model_dump(exclude={"control_total_s"}))

    def control(self) -> ControlLimits:
        """Deadlines and caps of a question about the server."""
        total = self.control_total_s
        return replace(
            CONTROL, connect_s=min(CONTROL.connect_s, total), idle_s=min(CONTROL.idle_s, total), total_s=total
        )


class Checklist(Section):
    """What the buyer asks. Every key is optional; what is absent has the default shown."""

    schema_version: Literal[1] = 1
    """Version of this format."""
    name: Annotated[str, Field(min_length=1, max_length=200)] = "unnamed checklist"
    """Title of the report."""
    profile: Literal["decide", "first-look", "afternoon"] = "decide"
    """`first-look` takes 15 minutes and never ends GO: it says whether a full run is worth it. `afternoon` takes 90
    minutes, server starts included, and can end GO: prompts and cases are sized to fit. `decide` has no budget."""
    candidate: Candidate | None = None
    """The model that may be adopted."""
    use: Use = Use()
    """What the buyer will do with it."""
    request: Request = Request()
    """What production sends with every request."""
    baseline: Baseline = Baseline()
    """What the modes are compared with; one name sets both of its keys."""
    modes: Annotated[dict[str, Endpoint], Field(max_length=24)] = {}
    """Where each decoding mode is served, by name: autoregressive, diffusion, self-speculation, speculative, and
    configurations of them such as `diffusion@t0.9`."""
    incumbent: Incumbent | None = None
    """The model that the team uses today."""
    sweep: Sweep | None = None
    """Settings of one mode that are screened first; the best of them are decided as modes are."""
    prompts: list[str] | None = None
    """Files of prompts, one JSON object a line; absent: the shipped quick prompts, with a warning."""
    tasks: list[Task] | None = None
    """Task suites, also of other tools; results of a harness, or how to run it. Absent: the shipped quick suite, with a
    warning; `[]`: quality is skipped."""
    budget: Budget = Budget()
    """Upper limits of the whole run."""
    cost: Cost = Cost()
    """Prices of the modes, for what requests and right answers cost. The incumbent has its own: `incumbent.cost`."""
    limits: LimitsSection = LimitsSection()
    """How long evalkit waits for a server, and how much it reads."""
    items: Items = Items()
    """The six items: what each asks, and its thresholds."""
    waivers: Annotated[list[Waiver], Field(max_length=200)] = []
    """Findings that a named person accepts until a date."""

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
            try:
                name = canonical(label) if isinstance(label, str) else label
            except ValueError as error:
                raise _at(label, str(error)) from None
            if name in named:
                raise _at(label, f"mode {name!r} is configured twice")
            named[name] = endpoint
        return named

    @model_validator(mode="after")
    def _consistent(self) -> Checklist:
        if self.baseline.speed == INCUMBENT and self.incumbent is None:
            raise ValueError("baseline.speed is 'incumbent', but no incumbent is configured")
        if self.baseline.quality == INCUMBENT and self.incumbent is None:
            raise ValueError("baseline.quality is 'incumbent', but no incumbent is configured")
        self._count_priced()
        return self

    def _count_priced(self) -> None:
        """A number of GPUs of one server needs a price that it multiplies."""
        sides = [(f"modes.{label}.cost.gpus", label, one.cost) for label, one in self.modes.items()]
        sides += [("incumbent.cost.gpus", INCUMBENT, self.incumbent.cost)] if self.incumbent else []
        for key, label, own in sides:
            if own.gpus is not None and self.prices(label).usd_per_gpu_hour is None:
                raise _at(key, "gpus prices nothing without usd_per_gpu_hour: give both in this cost")

    @property
    def adopted(self) -> list[str]:
        """Labels of the modes that may be adopted, in configured order."""
        adopt = self.items.modes.adopt
        if adopt == "any":
            return [label for label in self.modes if label != self.baseline.speed]
        return list(adopt)

    @property
    def suites(self) -> list[str] | None:
        """The tasks that are files of cases."""
        return None if self.tasks is None else [task for task in self.tasks if isinstance(task, str)]

    @property
    def harnesses(self) -> list[tuple[int, HarnessTask]]:
        """The tasks that another harness grades, with their places."""
        return [(i, task) for i, task in enumerate(self.tasks or []) if isinstance(task, HarnessTask)]

    def prices(self, label: str) -> Cost:
        """What is paid for one server: a mode's own keys over those at the top, the incumbent's own alone."""
        if label == INCUMBENT:
            return self.incumbent.cost if self.incumbent else Cost()
        served = self.modes.get(label)
        return served.cost.over(self.cost) if served else self.cost

    def required(self, item: ItemId) -> bool:
        return self.items.of(item).required


def _at(key: str, message: str) -> PydanticCustomError:
    """An error about one key of the mapping that is being validated, so that its line can be known."""
    return PydanticCustomError("key", "{message}", {"message": message, "key": key})


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


def endpoint_at(url: str, **fields: Any) -> Endpoint:
    """The endpoint at `url` of the command line, checked as those of a checklist are, with other keys of a mode.

    Raises:
        UsageError: no http(s) address, or one with a key, a user or a password in it.
    """
    try:
        address_of(url)
        return Endpoint(endpoint=url, **fields)
    except (ValidationError, ValueError):
        raise UsageError("not an address", where=cut(url, 200), hint="an address reads http://host:port") from None
