"""Modes of report.json: identity, timing by load, speed-up, timelines."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from evalkit.report.document.model.money import AgainstIncumbent, Cost


class SpeedUp(TypedDict):
    """How much faster a mode is than what it is compared with."""

    baseline: str
    """What it is compared with."""
    ratio: float | None
    """Geometric mean of the ratios of end-to-end times on the same prompts, baseline over mode: above 1 is faster."""
    low: float | None
    """Lower end of its interval."""
    high: float | None
    """Upper end."""
    confidence: float | None
    """Of the interval."""
    method: str
    """How the interval was made."""
    pairs: int
    """Prompts that were timed in both modes."""
    status: str
    """pass: low is at least what is asked; fail: high is below; else inconclusive."""
    slower_share: NotRequired[float | None]
    """Share of prompts that got slower."""
    worst_decile: NotRequired[float | None]
    """Ratio that a tenth of the prompts stays below."""
    by_tag: NotRequired[dict[str, Any]]
    """Ratio by tag of the prompts."""
    cached_share: NotRequired[float | None]
    """Of repeated prompts: share of the prompt tokens that came from the mode's prefix cache; null: not reported."""
    baseline_cached_share: NotRequired[float | None]
    """Of repeated prompts: the same share of the baseline's."""


class Percentiles(TypedDict):
    """Percentiles in ms; null where there are too few requests."""

    p50: NotRequired[float | None]
    """Median, ms."""
    p90: NotRequired[float | None]
    """90th percentile, ms."""
    p95: NotRequired[float | None]
    """95th percentile, ms; needs 59 samples."""
    p99: NotRequired[float | None]
    """99th percentile, ms; needs 299 samples."""


class OutputTokensPerSecond(TypedDict):
    """Throughput in tokens per second."""

    request: NotRequired[float | None]
    """One request's own rate."""
    system: NotRequired[float | None]
    """All requests of the level together."""


class TokensPerForward(TypedDict):
    """Work a step inside the server."""

    value: float | None
    """The figure."""
    definition: str
    """What was divided by what."""


class Level(TypedDict):
    """What was timed at one concurrency."""

    concurrency: Annotated[int, WithJsonSchema({"type": ["integer", "null"]})]
    """Requests in flight; null in report.json where requests were sent at their own times: see `load`."""
    requests: int
    """Timed requests."""
    failed: int
    """Of these, failed."""
    speedup: SpeedUp | None
    """Against the baseline at this level; null for the baseline itself."""
    ttft_ms: Percentiles
    """TTFT, ms."""
    e2e_ms: Percentiles
    """End-to-end latency, ms."""
    first_visible_ms: NotRequired[Percentiles]
    """Time to the first visible answer text or tool call, ms."""
    chunk_gap_ms: NotRequired[Percentiles]
    """Gaps between chunks, ms. No inter-token latency: a chunk can hold a block."""
    output_tokens_per_second: OutputTokensPerSecond
    """Output tokens per second."""
    tokens_per_chunk: dict[str, Any]
    """Tokens per streamed chunk: mean, p50, p90, most, first."""
    tokens_per_forward: TokensPerForward | None
    """Tokens per forward pass: value and its definition; null when the server does not count."""
    tokens_per_forward_reason: NotRequired[str]
    """Why it is null."""
    output_length_ratio: NotRequired[float | None]
    """Mean ratio of output tokens to the baseline's."""
    output_tokens: NotRequired[float | None]
    """Mean output tokens a reply."""
    energy_j_per_1000_tokens: NotRequired[float | None]
    """Energy of the devices for 1,000 output tokens, J; null when no device was watched."""
    distribution: NotRequired[dict[str, Any]]
    """Order statistics for charts: ttft_ms, e2e_ms."""
    load: NotRequired[dict[str, Any] | None]
    """How requests were sent where that is no fixed concurrency: kind, rate, arrivals or trace, seconds,
    intended_start.
    """


class OpenLoad(TypedDict):
    """One open load in one mode: requests at their own times, latency from the intended start."""

    load: dict[str, Any]
    """name, kind (rate, trace), rate, arrivals and seconds, or trace and speed; intended_start."""
    requests: int
    """Requests that count."""
    failed: int
    """Of these, without an answer; unfinished ones included."""
    blocks: int
    """Blocks: the unit of the interval."""
    ends: dict[str, int]
    """Requests by how they ended."""
    ttft_ms: Percentiles
    """Time to first text from the intended start, ms; null beyond the requests that were answered."""
    e2e_ms: Percentiles
    """End-to-end latency from the intended start, ms."""
    late_ms: dict[str, float]
    """evalkit's own part of it, ms: p50, p99."""
    output_tokens_per_second: float | None
    """All requests together."""
    cached_share: float | None
    """Share of the prompt tokens that came from the prefix cache; null when not reported."""
    speedup: dict[str, Any] | None
    """Against the baseline on the same arrivals: ratio, low, high, confidence, blocks, status."""


class Mode(TypedDict):
    """One decoding mode, or the incumbent: what it is, what was timed, what became of it."""

    mode: str
    """Label of the mode."""
    endpoint: str | None
    """Its address."""
    engine: str | None
    """sglang, vllm, …; null when unknown."""
    engine_version: str | None
    """As the server says."""
    release: NotRequired[Literal["release", "pre-release", "fork", "unknown"]]
    """Kind of engine build."""
    model: NotRequired[str | None]
    """Name that it serves."""
    declared_mode: str | None
    """The mode that the server declares."""
    observed_mode: str | None
    """The mode that the token deltas show."""
    known_by: NotRequired[str | None]
    """How the mode is known."""
    block_size: NotRequired[int | None]
    """Tokens a block."""
    timing_label: NotRequired[str]
    """What the times are called where a reference implementation served the mode; absent for engines."""
    settings: NotRequired[dict[str, Any]]
    """Allow-listed settings of the server."""
    provenance: NotRequired[dict[str, Any]]
    """Commit, image digest, patches, adapters, the admin's note."""
    qualified: Literal["pass", "fail", "inconclusive"]
    """Whether the mode passes every required item."""
    adopted: NotRequired[bool]
    """Whether the checklist may adopt it."""
    reasons: NotRequired[list[str]]
    """Why it does not qualify, failures first."""
    levels: list[Level]
    """Timing, one entry a concurrency."""
    speedup: SpeedUp | None
    """That of the deciding level."""
    crossover: NotRequired[int | None]
    """Lowest concurrency at which the mode no longer wins; null when none was seen."""
    capacity: NotRequired[dict[str, Any] | None]
    """Highest rate that keeps the service level, in requests a second: slo, rate, low, high, blocks, seconds, trials,
    beyond (what the server does above it), ratio to the baseline's, and curve (latency against rate)."""
    loads: NotRequired[list[OpenLoad]]
    """Open loads, in the order of the checklist."""
    cost: NotRequired[Cost | None]
    """What 1,000 requests cost, and 1,000 right answers; null without a price."""
    speedup_repeated: NotRequired[SpeedUp | None]
    """Speed-up on prompts that were answered before, for information: fresh prompts decide. Null for the baseline."""
    vs_incumbent: NotRequired[AgainstIncumbent | None]
    """Compared with the incumbent; null when none is configured, and for itself."""


class Frontier(TypedDict):
    """Latency and quality of one mode."""

    mode: NotRequired[str]
    """Mode or configuration."""
    e2e_ms: NotRequired[float | None]
    """Mean end-to-end latency, ms."""
    share: NotRequired[float | None]
    """Share of cases passed."""
    low: NotRequired[float | None]
    """Lower end of its 95% interval."""
    high: NotRequired[float | None]
    """Upper end."""
    cases: NotRequired[int]
    """Cases."""
    dominated_by: NotRequired[list[str]]
    """Modes that are faster and pass at least as many, by the figures."""
    surely: NotRequired[list[str]]
    """Those of them for which chance does not explain it."""


class TimelineMode(TypedDict):
    """When the tokens of one reply arrived."""

    mode: NotRequired[str]
    """The mode."""
    e2e_ms: NotRequired[float | None]
    """End-to-end latency, ms."""
    tokens: NotRequired[int | None]
    """Output tokens."""
    chunks: NotRequired[list[Any]]
    """[ms, tokens] of each chunk; tokens null when not counted."""
    cut: NotRequired[bool]
    """More than 400 chunks: the rest is left out."""


class Timeline(TypedDict):
    """Replies of several modes to one prompt."""

    prompt_id: NotRequired[str]
    """The prompt."""
    concurrency: NotRequired[int]
    """Requests in flight."""
    tags: NotRequired[list[str]]
    """Tags of the prompt."""
    modes: NotRequired[list[TimelineMode]]
    """One entry a mode."""


class PromptRow(TypedDict):
    """One prompt at the deciding concurrency."""

    prompt_id: str
    """The prompt."""
    tags: list[str]
    """Its tags."""
    e2e_ms: dict[str, float]
    """End-to-end latency by mode, ms: geometric mean of its readings."""
    speedup: dict[str, float]
    """Baseline time over the mode's, by mode: above 1 is faster."""
