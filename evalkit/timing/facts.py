"""Timed requests and what the client knows of its own error."""

from __future__ import annotations

from typing import Literal

from evalkit.client.types import Exchange, Loop
from evalkit.findings import Bits, Frozen, Hashed, Quoted
from evalkit.gpu.facts import GpuOthers

#: own error as a share of E2E, and share of one core, beyond which figures cannot be trusted
MOST_ERROR, MOST_CPU = 0.05, 0.95
#: share of the events asked for that a calibration has to send for its error to stand for that load
ENOUGH_REACHED = 0.75


class TimedSample(Frozen):
    """One timed request. `position` is its place in the executed order; `launch` the start of the server it hit."""

    mode: str
    concurrency: int
    prompt_id: str
    repeat: int
    position: int
    launch: int = 0
    #: prompts that were in flight together have one number; None: a journal of 0.1
    group: int | None = None
    cluster: str | None = None
    #: of a conversation that is played turn by turn: its id, and which of its turns, from 1
    conversation: str | None = None
    turn: int | None = None
    #: the prompt that has the very same messages, when another id came first: this is one more reading of it
    same_as: str | None = None
    tags: tuple[str, ...] = ()
    fixed_length: bool = False
    salted: bool = False
    #: the id of the task case whose prompt this is, when the timed text is scored too
    case_id: str | None = None
    exchange: Exchange
    #: ms of event loop lag (p99) and share of one core in the window of this request's block
    loop_lag_p99_ms: float | None = None
    cpu_share: float | None = None
    #: signs of broken decoding in the reply (`analysis.replies`); None: a journal that does not hold them
    signs: tuple[str, ...] | None = None
    #: characters of the reply that a reader sees, a hash of its words, and of those that are neither numbers nor its
    #: prompt's (None: too few); None: a journal that does not hold them
    seen: int | None = None
    gist: Hashed | None = None
    frame: Hashed | None = None
    #: which words it has, as bits (`analysis.copies.sketch`); None: too few
    sketch: Bits | None = None
    #: what only the comparison with the other replies shows (`analysis.answers`): whether this one counts as an answer
    taken: bool | None = None

    @property
    def key(self) -> str:
        """Stable identity under a frozen plan: what resume skips."""
        return f"{self.mode}|{self.concurrency}|{self.prompt_id}|{self.repeat}|{int(self.fixed_length)}"

    @property
    def prompt(self) -> str:
        """Whose reading this is: ids of one text are one prompt."""
        return self.same_as or self.prompt_id

    @property
    def answered(self) -> bool:
        """A reply with an answer and a time: every other one is counted as failed."""
        if self.taken is not None:
            return self.taken
        return bool(self.exchange.e2e_us and self.exchange.spoken)


class RepeatedSample(TimedSample):
    """A request of the block of repeated prompts. `repeat` 0 is the first answer to a prompt in this mode, the others
    are its repetitions; nothing is emptied and no text put in front. A kind of its own, which no reader of timed
    samples sees.
    """


class PrefixHits(Frozen):
    """Prompt tokens of the block of repeated prompts in one mode, first answers included, and those of them that came
    from the prefix cache: by the server's own counters.
    """

    mode: str
    prompt_tokens: int
    cached_tokens: int


class Traffic(Frozen):
    """How much of what is sent was sent before, in a prompts file or a trace as it was read. Shares of 1."""

    source: str
    kind: Literal["prompts", "trace"]
    shipped: bool = False
    requests: int
    #: requests whose messages are, word for word, those of an earlier one
    repeated: float
    #: of all characters, those in a beginning that an earlier request had too: at least
    shared_prefix: float
    #: of a trace's file; None: a journal that does not hold it
    sha256: str | None = None


class ClientError(Frozen):
    """The client's own error at a load, measured against the reference server's emission log, in ms."""

    streams: int
    events_per_s: float
    ttft_error_ms: float
    e2e_error_ms: float
    e2e_error_share: float
    itl_error_share: float
    lag_p99_ms: float
    events: int
    transport: str = "wire"
    #: the event loop that timed; None: a journal that does not hold it
    loop: Loop | None = None
    #: of one core, while the streams ran
    cpu_share: float = 0.0
    #: events a second that the emitter really sent on all streams; None: not looked at
    reached_per_s: float | None = None

    @property
    def short(self) -> bool:
        """Whether the emitter sent clearly less than it was asked to: the error at the asked rate is not known."""
        return self.reached_per_s is not None and self.reached_per_s < ENOUGH_REACHED * self.events_per_s

    @property
    def warning(self) -> str | None:
        """Why times at this load cannot be trusted here; None: they can."""
        at = f"at {self.streams} streams and {self.events_per_s:,.0f} events a second"
        if self.e2e_error_share > MOST_ERROR:
            return f"evalkit's own error is {self.e2e_error_share:.1%} of the end-to-end time {at}"
        if self.cpu_share > MOST_CPU:
            return f"evalkit uses {self.cpu_share:.0%} of a core {at}: this is its capacity here"
        if self.short:
            sent = f"{self.reached_per_s:,.0f} of {self.events_per_s:,.0f} events a second"
            return f"only {sent} could be sent on {self.streams} streams: beyond, the error is not known"
        return None


class WitnessSample(Frozen):
    """What else a machine did over some seconds. `outside_cpu`: cores used by processes that are neither evalkit's nor
    the compared servers'; `steal` and `psi` are shares, `load` is the load average of the last minute.
    """

    phase: Literal["before", "during", "after"]
    mode: str | None = None
    seconds: float
    cores: int
    #: the servers of this machine are known by their processes, so that others can be told from them
    separable: bool = True
    outside_cpu: float
    steal: float | None = None
    psi: float | None = None
    load: float | None = None
    #: what others did on the devices of the compared servers
    gpus: tuple[GpuOthers, ...] = ()


class WarmUp(Frozen):
    mode: str
    concurrency: int
    requests: int
    levelled: bool
    last_e2e_ms: tuple[float, ...] = ()
    #: prompt id and E2E (ms) of each reply of the last two rounds
    last: tuple[tuple[str, float], ...] = ()
    #: prompt id, E2E (ms) and characters of replies to texts that no cache has seen: prompts behind a salt, of all
    #: rounds but the first; without an id, questions that nobody asked before
    unseen: tuple[tuple[str, float, int], ...] = ()
    #: the same with output tokens, in older runs: a count is the server's word, and decides nothing
    fresh: tuple[tuple[str, float, int], ...] = ()


class CacheState(Frozen):
    """How equal cache state was arranged for one mode: flushed, salted, or left as it was, with the reason."""

    mode: str
    method: str  # flush | salt | none
    verified: bool | None = None
    detail: Quoted = ""


class Pilot(Frozen):
    """What a few prompts showed before the sample was fixed, and what the sample then costs and can show."""

    #: the mode that was read; of modes that are up together the one with the widest spread of ratios
    mode: str
    #: prompts of the pilot itself, and requests sent for it beyond the plan's own
    read: int
    extra_requests: int = 0
    e2e_ms: float
    output_tokens: float | None = None
    #: spread of the log ratio of one prompt that the plan reckons with
    sd: float
    #: prompts that will be timed in every mode; fixed from here on
    prompts: int
    #: smallest true ratio over the threshold that they show with 80% chance; None: they are too few to show any
    detects: float | None
    requests: int
    tokens: int | None = None
    minutes: float
    note: str = ""


class Look(Frozen):
    """A preset look at the evidence, for early stopping. `prompts`: the size that it was preset for, of `planned`."""

    prompts: int
    planned: int | None = None
    boundary: float
    stopped: bool
    reason: str = ""


class PromptFacts(Frozen):
    """The timed prompts, without their text."""

    path: str
    sha256: str
    count: int
    shipped: bool
    longest_chars: int
    max_tokens: int
    #: prompts whose messages an earlier prompt of the run has as well
    repeated: int = 0
    #: distinct prompts without a declared cluster, and how many templates they look like; None: not looked at
    unclustered: int = 0
    templates: int | None = None
    #: kind of another tool's file that they were imported from, and its hash; `sha256` is then of the converted text
    imported: str | None = None
    source_sha256: str | None = None
    #: of the images that its prompts show; None: they show none, or a journal that does not hold it
    images_sha256: str | None = None


#: how a request of open load ended, one letter each
ENDS = {
    "a": "answered", "s": "turned away (429, 503)", "r": "no connection", "t": "deadline passed", "x": "other error",
    "e": "no answer in it", "u": "unfinished when the block was cut off",
}  # fmt: skip


class LoadBlock(Frozen):
    """One block of open load in one mode: a record is written when the block is over, or the block does not count.

    Columns have one entry a request, in the order of the intended starts. Times are ms: `intended_ms` from the start of
    the block, the others from the request's intended start. `late_ms` is evalkit's own part of it.
    """

    load: str
    mode: str
    block: int
    launch: int = 0
    #: requests a second that were planned
    rate: float
    seconds: float
    #: requests whose intended start is earlier are sent and not counted
    counted_from_ms: float = 0.0
    #: requests of the whole block; fewer were sent when it was `stopped`
    planned: int
    intended_ms: tuple[float, ...] = ()
    late_ms: tuple[float, ...] = ()
    ttft_ms: tuple[float | None, ...] = ()
    #: of a request that was not answered: how long it had lasted
    e2e_ms: tuple[float, ...] = ()
    tokens: tuple[int | None, ...] = ()
    ends: str = ""
    #: which prompt of the run's set, or which request of the trace, from 0
    prompts: tuple[int, ...] = ()
    #: replies that were looked at, and how many of them showed each sign of broken decoding
    looked_at: int = 0
    #: of these, what a reader sees; 0: a journal that does not hold it
    looked_characters: int = 0
    signs: dict[str, int] = {}  # noqa: RUF012  pydantic copies defaults
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    #: the two are by the server's own counters, not by its replies
    counted_cached: bool = False
    #: requests whose prompt the server counted, and its tokens of them
    counted_prompts: int = 0
    read_tokens: int = 0
    #: ended early, since the service level could no longer be kept
    stopped: bool = False
    #: evalkit had no file descriptor left for another request
    full: bool = False
    #: ms that a single request took after the block; None: it was not answered
    after_ms: float | None = None
    cpu_share: float | None = None
    loop_lag_p99_ms: float | None = None
    started_at: str = ""
    salted: bool = False

    @property
    def key(self) -> str:
        """Stable identity: what resume skips."""
        return f"{self.load}|{self.mode}|{self.block}|{self.rate:.6g}"

    @property
    def counted(self) -> range:
        """Places of the requests that count."""
        first = next((i for i, at in enumerate(self.intended_ms) if at >= self.counted_from_ms), len(self.intended_ms))
        return range(first, len(self.intended_ms))


class ClientLimit(Frozen):
    """What evalkit can send and time on this machine, measured before open load is sent."""

    #: events a second that were timed with an error small enough
    events_per_s: float
    #: requests in flight, by file descriptors
    in_flight: int
    #: what more events a second showed; empty: more were not tried
    beyond: str = ""
    #: of one unloaded request in each mode: events of its stream, and ms
    events: dict[str, float] = {}  # noqa: RUF012
    e2e_ms: dict[str, float] = {}  # noqa: RUF012
    #: requests a second of loads that were not sent for it, by load and mode, joined by |
    refused: dict[str, float] = {}  # noqa: RUF012

    def rate(self, mode: str, e2e_ms: float | None = None) -> float:
        """Requests a second that evalkit can send to `mode` and time, where a request lasts `e2e_ms` at most."""
        events = self.events.get(mode, 0.0) + REQUEST_EVENTS
        lasting = max(e2e_ms or 0.0, self.e2e_ms.get(mode, 0.0)) / 1000
        return min(self.events_per_s / events, self.in_flight / lasting if lasting else self.events_per_s)


#: a request costs evalkit as much as so many events of its stream; more events a second than these are not tried
REQUEST_EVENTS, MOST_EVENTS = 10.0, 40_000.0
