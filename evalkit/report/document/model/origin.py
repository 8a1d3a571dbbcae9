"""Where a report comes from: what was asked, candidate, machines, servers, hashes."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict


class Asked(TypedDict):
    """The checklist of a run."""

    name: str
    """Its title."""
    sha256: str
    """Hash of the file, with the flags laid over it."""
    profile: NotRequired[Literal["decide", "first-look", "afternoon"]]
    """first-look never ends in go."""
    strict: NotRequired[bool]
    """Warnings were counted as failures."""


class Candidate(TypedDict):
    """A model, as it was named and read."""

    model: str | None
    """Hub id, folder or snapshot as it was named."""
    revision: str | None
    """Commit, or content hash of a folder or snapshot, that was read; null when nothing was."""
    requested_revision: NotRequired[str | None]
    """Branch, tag or commit that was asked for."""
    kind: NotRequired[Literal["hub", "folder", "snapshot"] | None]
    """Where it was read."""
    license: NotRequired[list[str]]
    """`license` of the card, as written."""
    license_name: NotRequired[str | None]
    """`license_name` of the card."""
    license_link: NotRequired[str | None]
    """`license_link` of the card; shown, never fetched."""
    base_model: NotRequired[list[str]]
    """`base_model` of the card."""
    variants: NotRequired[list[dict[str, Any]]]
    """Other variants: model, revision, license, license_name, error."""


class Baselines(TypedDict):
    """The modes that others are compared with."""

    speed: NotRequired[str]
    """Mode that speed-ups are measured against."""
    quality: NotRequired[str]
    """Mode that losses are measured against."""


class VendorClaim(TypedDict):
    """What a vendor says, quoted and never counted."""

    claim: str
    """What is claimed."""
    value: float
    """The figure."""
    unit: str
    """Its unit. Tokens per forward pass are a count, not a time."""
    conditions: str | None
    """Under which conditions it was reported."""
    source: str
    """Where it is."""
    date: NotRequired[str]
    """When the source was published or read."""
    known_by: NotRequired[Literal["vendor-reported"]]
    """Always vendor-reported."""
    measured: dict[str, Any] | None
    """Our figure in the same unit: mode, value, unit; null when the run has none."""


class Gpu(TypedDict):
    """A device behind the endpoints."""

    index: NotRequired[int]
    """Number of the card."""
    name: NotRequired[str]
    """Its name."""
    memory_total_bytes: NotRequired[int | None]
    """Its memory."""
    compute_capability: NotRequired[str | None]
    """CUDA compute capability."""
    mig: NotRequired[bool | None]
    """Whether it is a slice."""
    power_limit_w: NotRequired[float | None]
    """Power limit in watts."""
    known_by: NotRequired[str | None]
    """declared or observed."""


class SharedGpu(TypedDict):
    """Processes that are not the compared servers, on one GPU; null where the driver does not tell."""

    gpu: NotRequired[int]
    """Index of the device."""
    share: NotRequired[float | None]
    """Share of its time that they used while modes were timed (median)."""
    grown_gib: NotRequired[float | None]
    """Growth of the memory that they hold, in GiB."""


class Witness(TypedDict):
    """What evalkit's machine did during the run. Shares are of all cores; null where a server's process is unknown."""

    seconds: NotRequired[float]
    """Seconds of timing that were seen."""
    cores: NotRequired[int]
    """Cores of the machine."""
    outside_cpu: NotRequired[float | None]
    """Used by processes that are neither evalkit's nor the servers', while modes were timed (median)."""
    outside_most: NotRequired[float | None]
    """The largest such share."""
    before: NotRequired[float | None]
    """The same before timing."""
    after: NotRequired[float | None]
    """The same after timing."""
    steal: NotRequired[float | None]
    """Share of CPU time that the hypervisor took (median)."""
    psi: NotRequired[float | None]
    """Share of time in which work waited for a CPU (median, Linux)."""
    load: NotRequired[float | None]
    """Load average of one minute (median)."""
    gpus: NotRequired[list[SharedGpu]]
    """What others did on the GPUs of the servers."""


class Resumed(TypedDict):
    """A later session."""

    at: NotRequired[str]
    """When the session began, ISO 8601 UTC."""
    evalkit_version: NotRequired[str]
    """Version of evalkit in it."""
    python: NotRequired[str]
    """Version of Python in it."""
    platform: NotRequired[str]
    """Operating system in it."""


class Provenance(TypedDict):
    """Machines, servers, versions and hashes of a run."""

    evalkit_version: NotRequired[str]
    """As above."""
    resumed: NotRequired[list[Resumed]]
    """Later sessions under another evalkit, Python or platform than the one before."""
    python: NotRequired[str]
    """Version of Python."""
    platform: NotRequired[str]
    """Operating system of the measuring machine."""
    plan_sha256: NotRequired[str]
    """Hash of the frozen plan."""
    checklist_sha256: NotRequired[str]
    """As checklist.sha256."""
    seed: NotRequired[int]
    """Seed of every draw."""
    hardware: NotRequired[dict[str, Any]]
    """known_by, place, declared, driver, cuda, cpu, cores, memory_bytes."""
    request: NotRequired[dict[str, Any]]
    """temperature, max_tokens, system_prompt (whether one is sent), extra_body (its keys)."""
    prompts: NotRequired[list[Any]]
    """Files of timed prompts: path, sha256, count, shipped, longest_chars, max_tokens."""
    suites: NotRequired[list[Any]]
    """Task suites: name, kind, path, sha256, version, cases, shipped, repeats."""
    servers: NotRequired[list[Any]]
    """What each server reports about itself: engine, versions, model, settings, provenance."""
    launches: NotRequired[list[Any]]
    """Servers that evalkit started: mode, launch, argv, ready_s."""
    caches: NotRequired[list[Any]]
    """How equal cache state was arranged, a mode."""
    client_errors: NotRequired[list[Any]]
    """evalkit's own timing error on loopback, a concurrency, in ms and as a share."""


class Regraded(TypedDict):
    """A suite that stored replies were graded by again."""

    suite: NotRequired[str]
    """Its name."""
    sha256: NotRequired[str]
    """Hash of the suite that graded."""
    run_sha256: NotRequired[str]
    """Hash of the suite in the run."""
    replies: NotRequired[int]
    """Stored replies that were graded again."""
    changed_requests: NotRequired[list[str]]
    """Cases left unscored, as their request has changed."""
    without_reply: NotRequired[list[str]]
    """New cases that nobody answered."""
    dropped: NotRequired[list[str]]
    """Cases that the suite has no more."""
