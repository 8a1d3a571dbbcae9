"""Sends the timed requests of a plan: closed loop, modes interleaved, nothing retried."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from evalkit.analysis.order import Reading
from evalkit.analysis.readings import light
from evalkit.analysis.replies import characters, looked_at
from evalkit.client.types import ChatClient, ChatRequest, Exchange, Target
from evalkit.findings import Frozen
from evalkit.quality.case import texts_of
from evalkit.run.plan.conversations import Conversations, Step
from evalkit.run.plan.looks import Question, look
from evalkit.run.plan.pilot import PILOT_PROMPTS
from evalkit.run.plan.schedule import Plan, Planned
from evalkit.timing.facts import CacheState, Look, Pilot, TimedSample, WarmUp
from evalkit.timing.prompts import PromptSet
from evalkit.timing.salt import new_question, warming, with_salt
from evalkit.timing.watch import LoadWatch

#: requests in a row without any reply after which a mode is left alone
_DOWN_AFTER = 5
_SILENT = ("refused", "timeout")
_LEVEL_WITHIN = 0.15
_EXTRA_ROUNDS = 5
#: characters of a reply whose record is written in a few milliseconds next to other streams; and of all that may wait
_OUTSIZE = 65_536
_MOST_WAITING = 64 * 1024 * 1024
#: a chunk's two figures count as so many characters
_CHUNK_CHARS = 12


class Stopped(Frozen):
    """Timing ended before the plan did."""

    reason: str
    mode: str | None = None


class Progress(Frozen):
    """How far timing is: requests done of those planned here."""

    done: int
    planned: int
    mode: str
    concurrency: int


Event = WarmUp | CacheState | Look | Pilot | Stopped | Progress
Flush = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True)
class Settings:
    """What a run of timed requests is allowed, and how it keeps caches equal.

    `flush` empties the prefix cache of a mode's server and says whether it did; without it, `salt` puts a text in front
    that differs by prompt and repeat and is the same for all modes, except before prompts that are scored (`cases`).
    `salt_each`: the text differs by mode as well, whatever can be flushed, so that no cache can help any reading.
    `run` is in each such text, since a cache of replies may hold what an earlier run of the same plan was answered.
    """

    minutes: float | None = None
    requests: int | None = None
    flush: Flush | None = None
    salt: bool = False
    salt_each: bool = False
    run: str = ""
    #: prompt id -> id of the task case that is the same request
    cases: Mapping[str, str] = field(default_factory=dict)
    #: which start of the (only) server this is
    launch: int = 0
    #: what ids of requests begin with
    ids: str = "evalkit"
    #: `live`: each mode's own replies are fed on in conversations
    turns: str | None = None
    #: how many prompts are timed, in the plan's order; None: all
    prompts: int | None = None
    #: set: timing at `decide_at` ends early once the answer is clear at a preset look
    question: Question | None = None
    #: called when a mode comes under load, and with None when it no longer is
    on_load: Callable[[str | None, int], None] = lambda _mode, _level: None
    #: makes a pilot's record from the times of the first prompts; None: no pilot, or it is known already
    pilot: Callable[[Mapping[str, Mapping[str, Sequence[float]]]], Pilot] | None = None


async def run_modes(
    targets: Mapping[str, Target],
    prompts: PromptSet,
    plan: Plan,
    client: ChatClient,
    *,
    done: frozenset[str] = frozenset(),
    known: Sequence[TimedSample] = (),
    looks: Sequence[Look] = (),
    on_sample: Callable[[TimedSample], None],
    on_event: Callable[[Event], None] = lambda _: None,
    settings: Settings = Settings(),
) -> None:
    """Times what `plan` asks of `targets` and is not in `done`; `known` and `looks` are what earlier sessions saw.

    `on_sample` is called on a thread as soon as a reply is there, and may take its time. Cancelling closes the
    connections in use; samples already handed to `on_sample` stay.
    """
    execution = _Execution(targets, prompts, plan, client, done, on_sample, on_event, settings)
    execution.recall(known, looks)
    await execution.run()


class _Execution:
    def __init__(  # noqa: PLR0917  called once, right above
        self,
        targets: Mapping[str, Target],
        prompts: PromptSet,
        plan: Plan,
        client: ChatClient,
        done: frozenset[str],
        on_sample: Callable[[TimedSample], None],
        on_event: Callable[[Event], None],
        settings: Settings,
    ) -> None:
        self.targets, self.plan, self.client, self.settings = targets, plan, client, settings
        self.prompts = {prompt.id: prompt for prompt in prompts.prompts}
        self.todo = planned_here(plan, list(targets), done=done, launch=settings.launch, prompts=settings.prompts)
        self.on_sample, self.on_event = on_sample, on_event
        self.sent = 0
        whole = planned_here(plan, list(targets), done=frozenset(), launch=settings.launch)
        self.talk = Conversations(self.prompts, whole, done, settings.turns)
        #: samples whose record takes long to write: kept once no request is in flight
        self.waiting: list[tuple[TimedSample, ChatRequest]] = []
        self.waiting_size = 0
        self.deadline = None if settings.minutes is None else time.monotonic() + settings.minutes * 60
        self.silent: dict[str, int] = {}
        self.looked: set[int] = set()
        self.settled = False
        self.piloted = settings.pilot is None
        #: what was read at the deciding level, without texts
        self.read: list[Reading] = []

    def recall(self, known: Sequence[TimedSample], looks: Sequence[Look]) -> None:
        for sample in known:
            self.remember(sample)
            self.talk.recall(sample)
        self.looked.update(one.prompts for one in looks)
        self.settled = any(one.stopped for one in looks)

    async def run(self) -> None:
        for (level, fixed), planned in groupby(self.todo, key=lambda p: (p.concurrency, p.fixed_length)):
            requests = list(planned)
            deciding = level == self.plan.decide_at and not fixed
            if deciding and self.settled:
                continue
            for mode in () if fixed else dict.fromkeys(p.mode for p in requests):
                await self.warm_up(mode, level)
            measured = None if deciding else {r.unit for r in self.read if r.log is not None} or None
            for batch in _batches(requests):
                reason = self.budget_reason()
                if reason:
                    self.on_event(Stopped(reason=reason))
                    return
                wanted = [p for p in batch if measured is None or self.text_of(p) in measured]
                if wanted and not self.down(batch[0].mode):
                    await self.batch(wanted, level)
                if deciding and self.look():
                    break

    async def batch(self, batch: Sequence[Planned], level: int) -> None:
        """Requests of one mode, at most `level` in flight."""
        mode = batch[0].mode
        salted = await self.clear_cache(mode)
        chains = self.talk.chains(batch)
        queue = iter(chains)
        self.settings.on_load(mode, level)
        try:
            async with LoadWatch() as watch, asyncio.TaskGroup() as group:
                for _ in range(min(level, len(chains))):
                    group.create_task(self.worker(queue, watch, salted=salted))
        finally:
            self.settings.on_load(None, level)
            waiting, self.waiting, self.waiting_size = self.waiting, [], 0
            for sample, request in waiting:
                self.keep(sample, request)
        self.on_event(Progress(done=self.sent, planned=len(self.todo), mode=mode, concurrency=level))

    async def worker(self, queue: Iterator[list[Step]], watch: LoadWatch, *, salted: bool) -> None:
        """Chains of requests, each sent when the one before it is answered."""
        for chain in queue:
            for step in chain:
                if self.budget_reason() or self.down(step.planned.mode):
                    return
                request = self.talk.request(step.planned)
                if request is None:
                    break
                await self.talk.pause(step.planned)
                await self.one(step, request, watch, salted=salted)
            self.talk.over(chain)

    async def one(self, step: Step, request: ChatRequest, watch: LoadWatch, *, salted: bool) -> None:
        planned = step.planned
        self.sent += 1
        if planned.fixed_length:
            request = replace(request, extra_body={**request.extra_body, "ignore_eos": True})
        if salted and planned.prompt_id not in self.settings.cases:
            own = f"|{planned.mode}|{planned.launch}" if self.settings.salt_each else ""
            name = self.prompts[planned.prompt_id].conversation or planned.prompt_id
            request = with_salt(request, f"{self.settings.run}|{name}|{planned.repeat}{own}")
        begun = time.monotonic()
        exchange = await self.client.chat(
            self.targets[planned.mode], request, request_id=_request_id(self.settings.ids, planned)
        )
        self.talk.heard(planned, begun, exchange)
        self.count_silence(planned.mode, exchange)
        if not step.kept:
            return
        sample = self.sample(planned, exchange, salted=salted).model_copy(
            update={"loop_lag_p99_ms": watch.lag_p99_ms(), "cpu_share": watch.cpu_share()}
        )
        self.remember(sample)
        # durable before the next request of this worker, and on a thread: a disk must not delay the other streams
        size = _size(exchange)
        if size > _OUTSIZE and self.waiting_size + size <= _MOST_WAITING:
            self.waiting.append((sample, request))
            self.waiting_size += size
        else:
            await asyncio.to_thread(self.keep, sample, request)

    def keep(self, sample: TimedSample, request: ChatRequest) -> None:
        """Hands on the sample with the signs of its text, which need the prompt: no later reader has it."""
        prompt = "\n".join(texts_of(request.messages))
        self.on_sample(looked_at(sample, prompt, request.tools))

    def sample(self, planned: Planned, exchange: Exchange, *, salted: bool) -> TimedSample:
        prompt = self.prompts[planned.prompt_id]
        return TimedSample(
            mode=planned.mode,
            concurrency=planned.concurrency,
            prompt_id=planned.prompt_id,
            repeat=planned.repeat,
            position=planned.position,
            launch=planned.launch,
            group=planned.group,
            cluster=prompt.cluster,
            same_as=prompt.same_as,
            tags=prompt.tags,
            conversation=prompt.conversation,
            turn=len(prompt.ends) or None,
            fixed_length=planned.fixed_length,
            salted=salted and planned.prompt_id not in self.settings.cases,
            case_id=self.settings.cases.get(planned.prompt_id),
            exchange=exchange,
        )

    def text_of(self, planned: Planned) -> str:
        """As `TimedSample.prompt`."""
        return self.prompts[planned.prompt_id].same_as or planned.prompt_id

    def remember(self, sample: TimedSample) -> None:
        if sample.concurrency == self.plan.decide_at and not sample.fixed_length:
            self.read += light([sample], sample.concurrency)

    # -- stopping ----------------------------------------------------------------------------------------------------

    def budget_reason(self) -> str | None:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "budget: minutes used up"
        if self.settings.requests is not None and self.sent >= self.settings.requests:
            return "budget: requests used up"
        return None

    def count_silence(self, mode: str, exchange: Exchange) -> None:
        gone = exchange.error is not None and exchange.error.kind in _SILENT
        self.silent[mode] = self.silent.get(mode, 0) + 1 if gone else 0
        if self.silent[mode] == _DOWN_AFTER:
            message = exchange.error.message if exchange.error else ""
            self.on_event(Stopped(reason=f"{mode} no longer answers: {message}", mode=mode))

    def down(self, mode: str) -> bool:
        return self.silent.get(mode, 0) >= _DOWN_AFTER

    def look(self) -> bool:
        """Looks at the evidence when a preset number of prompts is complete; whether it suffices."""
        settings = self.settings
        if not self.piloted and settings.pilot is not None and len(times := self.complete()) >= PILOT_PROMPTS:
            self.piloted = True
            self.on_event(settings.pilot(times))
        if settings.question is None:
            return False
        found = look(settings.question, self.read, self.looked)
        if found is None:
            return False
        self.looked.add(found.prompts)
        self.settled = found.stopped
        self.on_event(found)
        return found.stopped

    def complete(self) -> dict[str, dict[str, list[float]]]:
        """Prompt -> mode -> ms of each reading, of the prompts that were read as often as planned in every mode."""
        times: dict[str, dict[str, list[float]]] = {}
        for r in self.read:
            if r.log is not None:
                times.setdefault(r.unit, {}).setdefault(r.mode, []).append(math.exp(r.log))
        whole = self.plan.repeats
        return {p: t for p, t in times.items() if all(len(t.get(m, ())) >= whole for m in self.plan.modes)}

    # -- before the clock --------------------------------------------------------------------------------------------

    async def clear_cache(self, mode: str) -> bool:
        """Equal cache state for a batch; whether its prompts are salted."""
        settings = self.settings
        if settings.flush is not None and await settings.flush(mode):
            return settings.salt_each
        return settings.salt or settings.salt_each

    async def warm_up(self, mode: str, level: int) -> None:
        """Rounds of `level` requests that are not kept, until two in a row agree."""
        if not self.plan.warmup or self.down(mode):
            return
        prompts, run = list(self.prompts.values()), self.settings.run
        medians: list[float] = []
        last: list[list[tuple[str, float]]] = []
        unseen: list[tuple[str, float, int]] = []
        sent = 0
        for turn in range(self.plan.warmup + _EXTRA_ROUNDS):
            chosen = [prompts[(turn * level + i) % len(prompts)] for i in range(level)]
            asked = [warming(prompt, turn, run) for prompt in chosen]
            replies = await asyncio.gather(*(self.client.chat(self.targets[mode], request) for request in asked))
            sent += len(replies)
            both = zip(chosen, replies, strict=True)
            answered = [(prompt.id, r.e2e_us / 1000, characters(r)) for prompt, r in both if r.ok and r.e2e_us]
            last.append([(name, ms) for name, ms, _ in answered])
            unseen += answered if turn else []
            times = sorted(r.e2e_us / 1000 / max(1, r.completion_tokens or 1) for r in replies if r.e2e_us)
            medians.append(times[len(times) // 2] if times else 0.0)
            if turn + 1 >= self.plan.warmup and (not times or _level(medians)):
                break
        asked = [new_question(run, n) for n in range(level)]
        replies = await asyncio.gather(*(self.client.chat(self.targets[mode], request) for request in asked))
        unseen += [("", r.e2e_us / 1000, characters(r)) for r in replies if r.ok and r.e2e_us]
        self.on_event(
            WarmUp(
                mode=mode,
                concurrency=level,
                requests=sent + len(replies),
                levelled=_level(medians),
                last_e2e_ms=tuple(round(m, 3) for m in medians[-3:]),
                last=tuple((name, round(ms, 3)) for one in last[-2:] for name, ms in one),
                unseen=tuple((name, round(ms, 3), length) for name, ms, length in unseen),
            )
        )


def planned_here(
    plan: Plan, modes: Sequence[str], *, done: frozenset[str], launch: int = 0, prompts: int | None = None
) -> list[Planned]:
    """The requests of `plan` that belong to servers of `modes` in their start `launch`, less those in `done`."""
    order = dict.fromkeys(p.prompt_id for p in plan.requests)
    chosen = set(list(order)[:prompts])
    here = (p for p in plan.requests if p.mode in modes and p.launch == launch and p.prompt_id in chosen)
    return [p for p in here if p.key not in done]


def _size(exchange: Exchange) -> int:
    """About how many characters the record of a reply has."""
    calls = sum(len(call.arguments) for call in exchange.tool_calls)
    return len(exchange.text) + len(exchange.reasoning) + calls + _CHUNK_CHARS * len(exchange.chunks)


def _level(medians: Sequence[float]) -> bool:
    if len(medians) < 2 or min(medians[-2:]) <= 0:
        return False
    return max(medians[-2:]) / min(medians[-2:]) - 1 <= _LEVEL_WITHIN


def _batches(requests: Sequence[Planned]) -> Iterator[list[Planned]]:
    for _, batch in groupby(requests, key=lambda p: (p.mode, p.repeat, p.group)):
        yield list(batch)


def _request_id(begin: str, planned: Planned) -> str:
    return f"{begin}-" + hashlib.sha256(planned.key.encode()).hexdigest()[:24]
