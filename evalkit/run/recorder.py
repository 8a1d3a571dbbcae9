"""Where the steps of a run put what they see, and read what is known so far."""

from __future__ import annotations

import platform
import sys
import threading
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import evalkit
from evalkit.analysis.readings import light
from evalkit.checklist.schema import Checklist, Endpoint
from evalkit.client.types import ChatClient, Exchange, Target
from evalkit.errors import EvalkitError
from evalkit.facts import CollectError, Facts, Resumed, RunEnd, RunStart, SkippedItem
from evalkit.findings import ITEM_IDS, Frozen, ItemId
from evalkit.quality.facts import Answer
from evalkit.quality.suite import facts_of
from evalkit.run.outlook import Outlook, left_words
from evalkit.run.setup import Setup
from evalkit.run.show import Show
from evalkit.serving.launch import Running
from evalkit.stored.fold import KINDS, Fold
from evalkit.stored.folder import RunFolder, plan_hash
from evalkit.stored.journal import Journal
from evalkit.timing.facts import TimedSample

#: two requests further apart belong to two sessions: no single request may take so long
_PAUSE_S = 900.0
_KIND_OF = {kind.model: name for name, kind in KINDS.items()}


def seconds_of(facts: Facts) -> float:
    """Seconds that the sessions of `facts` took. One that was killed wrote no end: its requests tell."""
    end = facts.end
    since = datetime.fromisoformat(end.finished_at if end else facts.start.started_at).timestamp()
    written = [s.exchange.written_at for s in (*facts.timed, *facts.repeated)]
    written += [a.exchange.written_at for a in (*facts.answers, *facts.alone)]
    times = sorted(datetime.fromisoformat(at).timestamp() for at in written if at)
    gaps = (b - a for a, b in pairwise([since, *(t for t in times if t > since)]))
    return (end.seconds if end else 0.0) + sum(gap for gap in gaps if gap <= _PAUSE_S)


def requests_of(timed: Collection[str], facts: Facts) -> int:
    """Requests that a run has sent: those of the keys `timed`, of other kinds those in `facts`, and those that are only
    counted. A timed reply that is an answer too is one.
    """
    scored = {(one.mode, one.exchange.written_at) for one in facts.timed if one.case_id is not None}
    asked = sum((one.mode, one.exchange.written_at) not in scored for one in facts.answers)
    kept = (timed, facts.repeated, facts.alone, facts.ties, facts.tool_loops)
    counted = sum(one.requests for one in facts.warmups) + (facts.pilot.extra_requests if facts.pilot else 0)
    return sum(map(len, kept)) + asked + counted


class Recorder:
    """One process's hand on a run folder: appends to the journal what is not in it yet."""

    def __init__(self, setup: Setup, folder: RunFolder, show: Show) -> None:
        self.setup, self.folder, self.show = setup, folder, show
        self.journal = Journal(folder.journal)
        self.before = folder.facts() if folder.journal.stat().st_size else None
        self.seen = Fold(self.before)
        #: of every timed sample in the journal
        self.timed_keys = {sample.key for sample in self.before.timed} if self.before else set[str]()
        self.outlook = Outlook(setup)
        #: sessions of servers that this process still begins; the items are over in the last
        self.sessions_left = 0
        self._recall()
        #: why the run ended before its plan did
        self.stopped: str | None = None
        self._writing = threading.Lock()
        self._earlier_s = seconds_of(self.before) if self.before else 0.0
        self._began = time.monotonic()

    @property
    def checklist(self) -> Checklist:
        return self.setup.checklist

    @property
    def facts(self) -> Facts:
        """All that is known so far, earlier sessions included; but of the timed samples of this process only those
        that are scored too: the rest is in the journal alone, so that a long run does not grow.
        """
        return self.seen.facts()

    def keep(self, fact: Frozen) -> None:
        """Durable when it returns. Threads may call it."""
        kind = _KIND_OF[type(fact)]
        with self._writing:
            self.journal.append(kind, fact)
            if type(fact) is TimedSample:
                self.timed_keys.add(fact.key)
                self._timed(fact)
                if fact.case_id is None:
                    return
            self.seen.add(KINDS[kind], fact)
        if isinstance(fact, Answer):
            self.outlook.kept("quality")
            self._failed("quality", f"{fact.mode}, {fact.suite}, case {fact.case_id}", fact.exchange)

    @staticmethod
    def keeps(fact: object) -> bool:
        """Whether `fact` is of a kind that the journal takes."""
        return type(fact) in _KIND_OF

    def _recall(self) -> None:
        """What earlier sessions measured counts in the results so far."""
        if self.before is None:
            return
        for sample in self.before.timed:
            self._timed(sample, earlier=True)
        for _ in (*self.before.answers, *self.before.alone):
            self.outlook.kept("quality", earlier=True)

    def _timed(self, sample: TimedSample, *, earlier: bool = False) -> None:
        self.outlook.kept("modes", earlier=earlier)
        if sample.concurrency == self.setup.plan.decide_at and not sample.fixed_length:
            for reading in light([sample], sample.concurrency):
                self.outlook.add(reading)
        if not earlier:
            self._failed("modes", f"{sample.mode}, prompt {sample.prompt_id}", sample.exchange)

    def _failed(self, item: ItemId, what: str, exchange: Exchange) -> None:
        if exchange.error is not None:
            self.show.detail(item, f"{what}: {exchange.error.message}")

    def say(self, item: ItemId, text: str) -> None:
        """A step begins."""
        self.outlook.begin(item)
        self.show.say(item, text)

    def tell(self, item: ItemId, text: str) -> None:
        """Something that the person who waits must read: it stays on the screen, whole."""
        self.show.tell(item, text)

    def detail(self, item: ItemId, text: str) -> None:
        """Something for the run's log alone."""
        self.show.detail(item, text)

    def advance(self, item: ItemId, done: int, planned: int) -> None:
        """How many requests of the step are done; now and then also the results so far and the time left."""
        self.show.advance(item, done, planned)
        if self.outlook.due():
            self._overall()

    def _overall(self) -> None:
        left = self.outlook.left_s()
        if left is not None and self.left_s is not None:
            left = min(left, self.left_s)
        self.show.overall(self.outlook.results(), left_words(left))

    def finish(self, item: ItemId) -> None:
        """The item's work is over, unless servers of a later session are still to come."""
        if self.sessions_left <= 0:
            self.outlook.finish(item)
            self._overall()
            self.show.finish(item)

    def wanted(self, item: ItemId) -> bool:
        return self.setup.asks(item)

    def error(self, item: ItemId, mode: str | None, error: EvalkitError) -> None:
        self.keep(CollectError(item=item, mode=mode, summary=str(error), remedy=error.hint))

    @property
    def spent_s(self) -> float:
        """Seconds of this run, earlier sessions included."""
        return self._earlier_s + time.monotonic() - self._began

    @property
    def left_s(self) -> float | None:
        """Seconds until the budget is used up; None without one."""
        minutes = self.setup.minutes
        return None if minutes is None else max(0.0, minutes * 60 - self.spent_s)

    @property
    def left_requests(self) -> int | None:
        """Requests until the budget is used up; None without one."""
        most = self.checklist.budget.requests
        return None if most is None else max(0, most - requests_of(self.timed_keys, self.facts))

    def begin(self) -> None:
        """The first records of a run, those that an earlier session did not come to write."""
        before = self.before
        if before is None:
            self.keep(self._start())
        else:
            self._resume(before)
        skipped = [SkippedItem(item=item, reason=self.setup.skip[item]) for item in ITEM_IDS if item in self.setup.skip]
        suites = [facts_of(suite) for suite in self.setup.suites]
        for fact in (*skipped, *self.setup.prompts.facts, *suites, *self.setup.traffic):
            if before is None or fact not in (
                *before.skipped, *before.prompts, *before.suites, *before.traffic.values()
            ):  # fmt: skip
                self.keep(fact)
        if self.setup.sweep and (before is None or before.sweep is None):
            self.keep(self.setup.sweep)
        for item in ITEM_IDS:
            if not self.wanted(item):
                self.show.finish(item, f"left out: {self.setup.skip.get(item, 'not applicable')}")
        if before is not None and (before.timed or before.answers):
            self.tell("modes", f"kept from earlier sessions: {len(before.timed):,} timed replies, "
                      f"{len(before.answers):,} answers to task cases")  # fmt: skip
        for reported in self.setup.reported:
            if before is None or reported.key not in before.harness:
                self.keep(reported)

    def _resume(self, before: Facts) -> None:
        """Notes that this session runs under another evalkit, Python or platform."""
        last = before.resumed[-1] if before.resumed else before.start
        here = Resumed(
            at=now(),
            evalkit_version=evalkit.__version__,
            python=platform.python_version(),
            platform=platform.platform(),
        )
        if (last.evalkit_version, last.python, last.platform) != (here.evalkit_version, here.python, here.platform):
            self.keep(here)

    def _start(self) -> RunStart:
        return RunStart(
            run_id=uuid.uuid4().hex[:12],
            started_at=now(),
            evalkit_version=evalkit.__version__,
            plan_sha256=plan_hash(self.folder.plan()),
            checklist_sha256=self.setup.loaded.sha256,
            resolved_sha256=self.folder.resolved_sha256(),
            simulated=self.setup.simulated,
            strict=self.setup.strict,
            argv=tuple(sys.argv[1:]),
            platform=platform.platform(),
            python=platform.python_version(),
            seed=self.setup.plan.seed,
        )

    def end(self, *, interrupted: bool = False) -> None:
        stopped = "interrupted" if interrupted else self.stopped
        seconds = round(self.spent_s, 1)
        self.keep(RunEnd(finished_at=now(), interrupted=interrupted, stopped_by=stopped, seconds=seconds))


@dataclass
class Session:
    """Servers that are up together: by label, how they are configured and where requests go."""

    client: ChatClient
    endpoints: dict[str, Endpoint]
    #: set when evalkit started the (only) server of this session
    running: Running | None = None
    #: which of the mode's starts it is, and whether the last: the one in which all but timing is done
    launch: int = 0
    last: bool = True
    #: those that answered the probe
    targets: dict[str, Target] = field(default_factory=dict)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
