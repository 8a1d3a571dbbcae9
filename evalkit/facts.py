"""Everything that a run collected: the journal folded into one object, which deciding reads beside the checklist."""

from __future__ import annotations

from datetime import UTC, datetime

from evalkit.errors import RunFolderError
from evalkit.findings import Frozen, ItemId, Quoted
from evalkit.gpu.facts import HardwareFacts, TelemetrySample
from evalkit.harness.facts import HarnessFacts
from evalkit.hub.facts import CandidateFacts
from evalkit.quality.facts import Alone, Answer, Divergence, Judgement, SamplingProbe, SuiteFacts, TieReading, ToolLoop
from evalkit.serving import facts as serving
from evalkit.serving.context_facts import ContextProbe
from evalkit.serving.swept import SweepFacts
from evalkit.text import one_line
from evalkit.timing import facts as timing


class RunStart(Frozen):
    run_id: str
    started_at: str  # ISO 8601 UTC
    evalkit_version: str
    plan_sha256: str
    checklist_sha256: str
    #: hash of the checklist as it was resolved and stored: a stored threshold that changes is noticed
    resolved_sha256: str | None = None
    simulated: bool = False
    #: a warning counts as a failure wherever this run is decided
    strict: bool = False
    argv: tuple[str, ...] = ()
    platform: str = ""
    python: str = ""
    seed: int = 1


class Resumed(Frozen):
    """A later session of a run under another evalkit, Python or platform than the one before it."""

    at: str  # ISO 8601 UTC
    evalkit_version: str
    python: str = ""
    platform: str = ""


class RunEnd(Frozen):
    finished_at: str
    interrupted: bool = False
    stopped_by: str | None = None  # budget, failed candidate item, …
    #: of all sessions together
    seconds: float = 0.0


class CollectError(Frozen):
    """Something that could not be collected; becomes an `error` finding of its item."""

    item: ItemId
    mode: str | None = None
    summary: Quoted
    remedy: str | None = None


class SkippedItem(Frozen):
    item: ItemId
    reason: Quoted


class Facts(Frozen):
    """What was seen, and nothing else. Each list is in the order of collection."""

    start: RunStart
    end: RunEnd | None = None
    resumed: tuple[Resumed, ...] = ()
    candidates: tuple[CandidateFacts, ...] = ()
    hardware: HardwareFacts | None = None
    endpoints: dict[str, serving.EndpointFacts] = {}  # noqa: RUF012  latest probe by mode label (and "incumbent")
    attempts: dict[str, serving.Attempt] = {}  # noqa: RUF012  latest try by mode label
    launches: tuple[serving.LaunchFacts, ...] = ()
    sweep: SweepFacts | None = None
    prompts: tuple[timing.PromptFacts, ...] = ()
    suites: tuple[SuiteFacts, ...] = ()
    client_errors: tuple[timing.ClientError, ...] = ()
    warmups: tuple[timing.WarmUp, ...] = ()
    caches: dict[str, timing.CacheState] = {}  # noqa: RUF012
    timed: tuple[timing.TimedSample, ...] = ()
    looks: tuple[timing.Look, ...] = ()
    repeated: tuple[timing.RepeatedSample, ...] = ()
    prefix_hits: tuple[timing.PrefixHits, ...] = ()
    traffic: dict[str, timing.Traffic] = {}  # noqa: RUF012  by the name of the file
    loads: tuple[timing.LoadBlock, ...] = ()
    client_limit: timing.ClientLimit | None = None
    witness: tuple[timing.WitnessSample, ...] = ()
    pilot: timing.Pilot | None = None
    telemetry: tuple[TelemetrySample, ...] = ()
    answers: tuple[Answer, ...] = ()
    alone: tuple[Alone, ...] = ()
    sampling: tuple[SamplingProbe, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    ties: tuple[TieReading, ...] = ()
    tool_loops: dict[str, ToolLoop] = {}  # noqa: RUF012  by mode, suite and case
    harness: dict[str, HarnessFacts] = {}  # noqa: RUF012  by task's place, task and mode
    divergences: dict[str, Divergence] = {}  # noqa: RUF012  by mode, suite and case
    context_probes: dict[str, ContextProbe] = {}  # noqa: RUF012
    stability: dict[str, serving.StabilityFacts] = {}  # noqa: RUF012
    preflights: dict[str, serving.Preflight] = {}  # noqa: RUF012  by mode label, "run" for the whole
    counters: tuple[serving.Counters, ...] = ()
    forwards: tuple[serving.ForwardStats, ...] = ()
    afterwards: tuple[serving.Afterwards, ...] = ()
    errors: tuple[CollectError, ...] = ()
    skipped: tuple[SkippedItem, ...] = ()

    @property
    def as_of(self) -> datetime:
        """The moment a run ended, or began when it did not; UTC: a stored run is decided as of then.

        Raises:
            RunFolderError: the run has no date.
        """
        stamp = self.end.finished_at if self.end else self.start.started_at
        try:
            moment = datetime.fromisoformat(stamp)
        except ValueError:
            raise RunFolderError(
                f"the run's date cannot be read: {one_line(stamp, limit=40)!r}",
                hint="run again: the journal is damaged",
            ) from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def other_versions(self) -> list[str]:
        """One line a session under another evalkit than the one that the run began with."""
        began = self.start.evalkit_version
        return [
            f"resumed under evalkit {one.evalkit_version}; the run began under {began}"
            for one in self.resumed
            if one.evalkit_version != began
        ]

    @property
    def candidate(self) -> CandidateFacts | None:
        return next((c for c in self.candidates if c.role == "candidate"), None)

    @property
    def variants(self) -> tuple[CandidateFacts, ...]:
        return tuple(c for c in self.candidates if c.role == "variant")
