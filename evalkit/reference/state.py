"""What one running server holds: its model, its cache, its places, its counters and its log."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from uuid import uuid4

from evalkit.modes import Mode
from evalkit.reference.answers import Answers
from evalkit.reference.cache import PrefixCache
from evalkit.reference.emissions import Emission, EmissionLog
from evalkit.reference.jobs import Desk, Job
from evalkit.reference.model import Model
from evalkit.reference.question import last_turn
from evalkit.reference.schedule import ticks
from evalkit.reference.script import Script
from evalkit.reference.usage import Work

#: characters at the end of a prompt by which a cache by meaning knows it
_MEANING = 24


@dataclass
class Counters:
    """Sums since the start, as /metrics shows them; seconds and tokens."""

    requests: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})
    prompt_tokens: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})
    generation_tokens: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})
    ttft_s: dict[bool, float] = field(default_factory=lambda: {False: 0.0, True: 0.0})
    e2e_s: dict[bool, float] = field(default_factory=lambda: {False: 0.0, True: 0.0})
    cached_tokens: int = 0
    aborted: int = 0
    prefill_passes: int = 0
    decode_passes: int = 0
    verify_calls: int = 0
    spec_tokens: int = 0
    last_throughput: float = 0.0


class State:
    """Shared by the routes of one server; used from its event loop only, but for the log."""

    def __init__(
        self,
        script: Script,
        answers: Answers | None = None,
        log: EmissionLog | None = None,
        on_death: Callable[[], None] | None = None,
    ) -> None:
        self.script = script
        self.model = Model(script, answers)
        self.desk = Desk(script)
        self.slots = Slots(script.max_running_requests)
        self.cache = PrefixCache(script.page_size, script.max_total_num_tokens)
        self.counters = Counters()
        self.log = log or EmissionLog()
        self.started = time.time()
        self._accepted = 0
        self._remembered: set[str] = set()
        #: prompts since the cache was emptied
        self.answered: set[str] = set()
        self._on_death = on_death or (lambda: None)

    def plan(self, job: Job) -> Work:
        """The replies to a job and when their tokens are due."""
        self._accepted += 1
        running = self.slots.running + 1
        asks = (replace(choice.ask, running=running) for choice in job.choices)
        generations = tuple(self.model.generate(ask) for ask in asks)
        cached = tuple(self._hit(choice.prompt) for choice in job.choices)
        schedules = []
        for choice, generation, known in zip(job.choices, generations, cached, strict=True):
            # A repeated prompt gets other jitter, in the same order at every run.
            rng = Random(f"{self.script.seed}|{self._accepted}|{choice.ask.prompt[-200:]}")
            schedule = ticks(self.script, len(choice.prompt), known, generation.total, rng)
            pace = self._pace(choice.ask.prompt)
            schedules.append(tuple(replace(tick, after_ms=tick.after_ms * pace) for tick in schedule))
        ident = job.rid or uuid4().hex
        name = self._name(job.model)
        return Work(job, self.script, ident, time.time(), generations, tuple(schedules), cached, name)

    def _name(self, asked: str) -> str:
        """The name in the reply: that of the request, unless a router answers by another model."""
        other = self.script.answers_as
        return other if other is not None and self._accepted % self.script.answers_as_every == 0 else asked

    def _pace(self, prompt: str) -> float:
        """By what the times of this reply are multiplied."""
        script = self.script
        pace = float((1 + script.fades) ** (self._accepted - 1))
        if script.slow_after is not None and self._accepted > script.slow_after:
            pace *= script.slower
        if script.warm < 1:
            pace *= script.warm if prompt in self.answered else 1.0
            self.answered.add(prompt)
        if script.remembers < 1:
            text = last_turn(prompt)[1]
            key = prompt if script.remembers_by == "text" else text[-_MEANING:]
            by_text = script.remembers_by == "text"  # a salt in front makes another text of it
            known = (text.startswith(word) if by_text else word in text for word in script.remembers_words)
            if key in self._remembered or any(known):
                pace *= script.remembers
            self._remembered.add(key)
        return pace

    @property
    def dying(self) -> bool:
        """Whether the request accepted last is the one that the server does not survive."""
        limit, waiting = self.script.die_after_requests, self.script.die_above_waiting
        return (limit is not None and self._accepted > limit) or (waiting is not None and self.slots.waiting > waiting)

    @property
    def sheds(self) -> bool:
        """Whether a request that comes now is turned away."""
        limit = self.script.shed_above_waiting
        return (
            limit is not None
            and self.slots.running >= self.script.max_running_requests
            and (self.slots.waiting >= limit)
        )

    def die(self) -> None:
        """Stop as a crashed process does: connections drop, the port closes."""
        self._on_death()

    def count(self, work: Work, record: Emission) -> None:
        """Add a finished request to the sums and to the log."""
        self.log.add(record)
        counters, stream = self.counters, work.job.stream
        if record.aborted:
            counters.aborted += 1
            return
        counters.requests[stream] += 1
        counters.prompt_tokens[stream] += record.prompt_tokens
        counters.generation_tokens[stream] += record.completion_tokens
        counters.cached_tokens += sum(work.cached)
        first = record.chunks[0][0] if record.chunks else record.done_ns
        counters.ttft_s[stream] += (first - record.received_ns) / 1e9
        seconds = (record.done_ns - record.received_ns) / 1e9
        counters.e2e_s[stream] += seconds
        self._count_passes(work)
        # The dLLM loop reports through the prefill statistics, so its throughput gauge stays at 0.
        if not self.script.algorithm:
            counters.last_throughput = record.completion_tokens / max(seconds, 1e-9)

    def _count_passes(self, work: Work) -> None:
        mode = self.script.emits
        for schedule in work.ticks:
            passes = sum(tick.forwards for tick in schedule)
            if mode in (Mode.DIFFUSION, Mode.SELF_SPECULATION):
                self.counters.prefill_passes += passes
                continue
            self.counters.prefill_passes += 1
            self.counters.decode_passes += passes - 1
            if mode is Mode.SPECULATIVE and schedule:
                self.counters.verify_calls += len(schedule) - 1
                self.counters.spec_tokens += schedule[-1].tokens

    def _hit(self, prompt: list[str]) -> int:
        return 0 if self.script.disable_radix_cache else self.cache.hit(prompt)


class Slots:
    """At most `limit` requests run at once; the others wait in order. One event loop only."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.running = 0

    @property
    def waiting(self) -> int:
        return sum(not future.done() for future in self._waiting)

    async def acquire(self) -> bool:
        """Wait for a place, and say whether that took a wait. A caller that is cancelled while waiting holds none."""
        if self.running < self._limit:
            self.running += 1
            return False
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future  # the place is handed over, `running` does not change
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.release()
            raise
        return True

    def release(self) -> None:
        """Give the place to the next in line."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                return
        self.running -= 1
