"""What a server is, which mode it declares, and which mode was observed."""

from __future__ import annotations

from typing import Any, Literal

from evalkit.findings import Frozen, KnownBy, Quoted


class TokenDeltas(Frozen):
    """Tokens per event of one streamed reply, as the server's usage counted them."""

    deltas: tuple[int, ...]
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    source: str = "chat"  # chat | generate
    coalesced: bool = False
    #: from the request's last byte to the end of the reply
    seconds: float | None = None


class Capability(Frozen):
    """One thing asked of the server by name."""

    name: str
    value: bool | int | str | None  # None: could not be found out
    known_by: KnownBy
    detail: Quoted = ""


class ServerWarning(Frozen):
    id: str
    summary: str


class ServerContext(Frozen):
    """Limits as the server reports them, in tokens."""

    max_model_len: int | None = None
    context_length: int | None = None
    max_req_input_len: int | None = None
    max_total_num_tokens: int | None = None
    max_output_tokens: int | None = None


class EndpointFacts(Frozen):
    """One endpoint, probed. Only allow-listed fields of the server's own descriptions are kept."""

    label: str  # mode label, "incumbent", or the URL for `evalkit probe`
    endpoint: str
    reachable: bool
    error: Quoted | None = None
    error_kind: str | None = None  # refused | timeout | auth | not-found | not-json | http | protocol | launch
    engine: str | None = None  # a name of serving/engines, a hosted service, or None: not recognised
    engine_version: str | None = None
    #: what is between the endpoint and the OpenAI routes
    api: str = "/v1"
    #: shortest time from a short request to its answer, in ms
    round_trip_ms: float | None = None
    release: Literal["release", "pre-release", "fork", "unknown"] = "unknown"
    gateway: str | None = None
    model: str | None = None
    served_models: tuple[str, ...] = ()
    model_path: str | None = None
    model_type: str | None = None
    architectures: tuple[str, ...] = ()
    revision: str | None = None
    declared_mode: str | None = None
    declared_why: str | None = None
    observed_mode: str | None = None
    observed_why: str | None = None
    block_loop: bool = False  # declares AR, runs the block loop
    block_size: int | None = None
    deltas: TokenDeltas | None = None
    known_by: KnownBy | None = None
    context: ServerContext = ServerContext()
    #: what the server says it took of a device, in GiB: weight, kvcache, graph
    memory_gib: dict[str, float] = {}  # noqa: RUF012
    capabilities: tuple[Capability, ...] = ()
    #: allow-listed settings: dtype, quantization, kv_cache_dtype, tp_size, max_running_requests, speculative_*, dllm_*…
    settings: dict[str, Any] = {}  # noqa: RUF012  pydantic copies defaults
    #: distinguishes two processes behind one URL: start time, launch arguments' hash, pid
    process: str | None = None
    place: Literal["here", "tunnel", "elsewhere", "unknown"] = "unknown"
    place_why: str | None = None
    pid: int | None = None
    warnings: tuple[ServerWarning, ...] = ()
    provenance: dict[str, str] = {}  # noqa: RUF012  commit, image digest, patches, adapter, remote code
    counters_before: dict[str, float] = {}  # noqa: RUF012
    counters_after: dict[str, float] = {}  # noqa: RUF012
    rate_limits: dict[str, str] = {}  # noqa: RUF012
    launched: bool = False
    ready_s: float | None = None
    probed_at: str | None = None

    def capability(self, name: str) -> Capability | None:
        return next((c for c in self.capabilities if c.name == name), None)

    def takes_temperature(self, temperature: float) -> Capability | None:
        """Whether requests at `temperature` are answered, as asked; None when nobody asked."""
        return self.capability(f"temperature_{temperature:g}")

    @property
    def probe_temperature(self) -> float:
        """The lowest temperature that the server is known to take: 0 unless it refused that."""
        refused = self.takes_temperature(0.0)
        return 1.0 if refused is not None and refused.value is False else 0.0


class StabilityFacts(Frozen):
    """What a soak at `decide_at` did to one mode's server."""

    mode: str
    minutes: float
    requests: int
    failed: int
    disconnects: int
    idle_s: float
    right_after: bool | None
    kv_before: float | None = None
    kv_after: float | None = None
    #: the prefix cache was emptied before both readings, so that what is left is not a cache
    flushed: bool = False
    detail: Quoted = ""


class Conflict(Frozen):
    """What will go wrong. `certain`: requests will fail; otherwise the figures will not mean what was asked."""

    mode: str | None  # None: the whole run
    what: str
    remedy: str
    certain: bool


class Preflight(Frozen):
    """What was known to conflict before the first timed request of a mode (or of the `run`)."""

    mode: str
    conflicts: tuple[Conflict, ...] = ()
    #: no timed request was sent for it
    stopped: bool = False


class Identity(Frozen):
    """What distinguishes one server from another, of what it reports."""

    reachable: bool
    error: Quoted | None = None
    engine: str | None = None
    engine_version: str | None = None
    model_path: str | None = None
    model_type: str | None = None
    architectures: tuple[str, ...] = ()
    revision: str | None = None
    served_models: tuple[str, ...] = ()
    declared_mode: str | None = None
    settings: dict[str, Any] = {}  # noqa: RUF012  pydantic copies defaults
    process: str | None = None

    @classmethod
    def of(cls, facts: EndpointFacts) -> Identity:
        return cls(**{name: getattr(facts, name) for name in cls.model_fields})


class Afterwards(Frozen):
    """One server before and after the work of a session.

    An `opening` one (`after` is `before`) is written before the work, so that a session that is killed leaves word of
    whose evidence it collected.
    """

    mode: str
    before: Identity
    after: Identity
    opening: bool = False


class Counters(Frozen):
    """A server's own counters before and after one session's requests; empty where it has none.

    An `opening` one is written before the first request, so that a session that is killed loses no count: where the
    server goes on, the next session counts from there.
    """

    mode: str
    opening: bool = False
    before: dict[str, float] = {}  # noqa: RUF012  pydantic copies defaults
    after: dict[str, float] = {}  # noqa: RUF012

    def continues(self, now: dict[str, float]) -> bool:
        """Whether `now` can be the same process, later: no counter is gone or fell."""
        return all(now.get(name, -1.0) >= value for name, value in self.before.items())

    def grew(self, name: str) -> float | None:
        """By how much a counter grew; None when it was not there, or fell because the server was restarted."""
        if name not in self.after:
            return None
        change = self.after[name] - self.before.get(name, 0.0)
        return change if change >= 0 else None


class ForwardStats(Frozen):
    """Sums of the fork's statistics file while evalkit asked: forward passes without the one that fills the cache."""

    mode: str
    lines: int = 0
    forward_passes: int = 0
    tokens: int = 0
    #: mean of the lines that have one, 0 to 1
    acceptance_rate: float | None = None
    #: lines that were not understood
    skipped: int = 0
    error: Quoted | None = None

    @property
    def tokens_per_forward(self) -> float | None:
        return self.tokens / self.forward_passes if self.forward_passes else None


class Attempt(Frozen):
    """One try of a mode before anything is measured: its server started, probed, asked one question, and stopped."""

    mode: str
    ok: bool
    said: Quoted
    #: None: it did not come up, or was up already
    ready_s: float | None = None
    log_tail: tuple[Quoted, ...] = ()


class LaunchFacts(Frozen):
    """One start of a server by evalkit."""

    mode: str
    launch: int  # 0, 1, … in the order of starts
    argv: tuple[str, ...]
    ready_s: float | None = None
    error: Quoted | None = None
    log_tail: tuple[Quoted, ...] = ()
    log_path: str | None = None
