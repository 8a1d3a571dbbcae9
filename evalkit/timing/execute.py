"""Sends the timed requests of a plan: closed loop, modes interleaved, nothing retried."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from evalkit.client.types import ChatClient, ChatRequest, Exchange, Target
from evalkit.findings import Frozen
from evalkit.stats.ratio import MIN_PAIRS, estimate, log_ratios
from evalkit.stats.sequential import confidence_of, obrien_fleming
from evalkit.timing.facts import CacheState, Look, TimedSample, WarmUp
from evalkit.timing.prompts import Prompt, PromptSet
from evalkit.timing.schedule import Plan, Planned
from evalkit.timing.watch import LoadWatch

#: consecutive requests without a connection after which a mode is left alone
_DOWN_AFTER = 5
_LEVEL_WITHIN = 0.15
_EXTRA_ROUNDS = 5


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


Event = WarmUp | CacheState | Look | Stopped | Progress
Flush = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True)
class Settings:
    """What a run of timed requests is allowed, and how it keeps caches equal.

    `flush` empties the prefix cache of a mode's server and says whether it did; without it, `salt` puts a text in front
    that differs by prompt and repeat and is the same for all modes. `at_least` set: the preset looks may stop early.
    """

    minutes: float | None = None
    requests: int | None = None
    flush: Flush | None = None
    salt: bool = False
    at_least: float | None = None
    confidence: float = 0.95
    launches: Mapping[str, int] = field(default_factory=dict)
    #: stop early only when nothing else (percentile targets) needs the whole sample
    early_stop: bool = True


async def run_modes(
    targets: Mapping[str, Target],
    prompts: PromptSet,
    plan: Plan,
    client: ChatClient,
    *,
    done: frozenset[str] = frozenset(),
    known: Sequence[TimedSample] = (),
    on_sample: Callable[[TimedSample], None],
    on_event: Callable[[Event], None] = lambda _: None,
    settings: Settings = Settings(),
) -> None:
    """Times what `plan` asks of `targets` and is not in `done`; `known` are the samples behind `done`, for the looks.

    Cancelling it closes the connections in use; samples already handed to `on_sample` stay.
    """
    await _Execution(targets, prompts, plan, client, done, known, on_sample, on_event, settings).run()


class _Execution:
    def __init__(  # noqa: PLR0917  called once, right above
        self,
        targets: Mapping[str, Target],
        prompts: PromptSet,
        plan: Plan,
        client: ChatClient,
        done: frozenset[str],
        known: Sequence[TimedSample],
        on_sample: Callable[[TimedSample], None],
        on_event: Callable[[Event], None],
        settings: Settings,
    ) -> None:
        self.targets, self.plan, self.client, self.settings = targets, plan, client, settings
        self.prompts = {prompt.id: prompt for prompt in prompts.prompts}
        self.todo = [p for p in plan.requests if p.mode in targets and p.key not in done]
        self.on_sample, self.on_event = on_sample, on_event
        self.sent = 0
        self.deadline = None if settings.minutes is None else time.monotonic() + settings.minutes * 60
        self.refused: dict[str, int] = {}
        self.looked: set[int] = set()
        #: prompt -> mode -> ms of each repeat at the deciding level
        self.times: dict[str, dict[str, list[float]]] = {}
        for sample in known:
            self.remember(sample)

    async def run(self) -> None:
        for level, planned in groupby(self.todo, key=lambda p: p.concurrency):
            requests = list(planned)
            for mode in dict.fromkeys(p.mode for p in requests):
                await self.warm_up(mode, level)
            measured: set[str] | None = None if level == self.plan.decide_at else set(self.times) or None
            for batch in _batches(requests):
                reason = self.budget_reason()
                if reason:
                    self.on_event(Stopped(reason=reason))
                    return
                wanted = [p for p in batch if measured is None or p.prompt_id in measured]
                if wanted and not self.down(batch[0].mode):
                    await self.batch(wanted, level)
                if level == self.plan.decide_at and self.look():
                    break

    async def batch(self, batch: Sequence[Planned], level: int) -> None:
        """Requests of one mode, at most `level` in flight."""
        mode = batch[0].mode
        salted = await self.clear_cache(mode)
        queue = iter(batch)
        samples: list[tuple[Planned, Exchange]] = []
        async with LoadWatch() as watch:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(level, len(batch))):
                    group.create_task(self.worker(queue, samples, salted=salted))
            lag, cpu = watch.lag_p99_ms(), watch.cpu_share()
        for planned, exchange in samples:
            sample = self.sample(planned, exchange, salted=salted).model_copy(
                update={"loop_lag_p99_ms": lag, "cpu_share": cpu}
            )
            self.remember(sample)
            self.on_sample(sample)
        self.on_event(Progress(done=self.sent, planned=len(self.todo), mode=mode, concurrency=level))

    async def worker(self, queue: Iterator[Planned], samples: list[tuple[Planned, Exchange]], *, salted: bool) -> None:
        for planned in queue:
            if self.budget_reason() or self.down(planned.mode):
                return
            self.sent += 1
            request = self.prompts[planned.prompt_id].request
            if salted:
                request = _salted(request, f"{planned.prompt_id}|{planned.repeat}|{self.plan.seed}")
            exchange = await self.client.chat(self.targets[planned.mode], request, request_id=_request_id(planned))
            samples.append((planned, exchange))
            self.count_refusals(planned.mode, exchange)

    def sample(self, planned: Planned, exchange: Exchange, *, salted: bool) -> TimedSample:
        prompt = self.prompts[planned.prompt_id]
        return TimedSample(
            mode=planned.mode,
            concurrency=planned.concurrency,
            prompt_id=planned.prompt_id,
            repeat=planned.repeat,
            position=planned.position,
            launch=self.settings.launches.get(planned.mode, 0),
            cluster=prompt.cluster,
            tags=prompt.tags,
            fixed_length=planned.fixed_length,
            salted=salted,
            exchange=exchange,
        )

    def remember(self, sample: TimedSample) -> None:
        if sample.concurrency != self.plan.decide_at or sample.fixed_length or not sample.exchange.e2e_us:
            return
        modes = self.times.setdefault(sample.prompt_id, {})
        modes.setdefault(sample.mode, []).append(sample.exchange.e2e_us / 1000)

    # -- stopping ----------------------------------------------------------------------------------------------------

    def budget_reason(self) -> str | None:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "budget: minutes used up"
        if self.settings.requests is not None and self.sent >= self.settings.requests:
            return "budget: requests used up"
        return None

    def count_refusals(self, mode: str, exchange: Exchange) -> None:
        gone = exchange.error is not None and exchange.error.kind == "refused"
        self.refused[mode] = self.refused.get(mode, 0) + 1 if gone else 0
        if self.refused[mode] == _DOWN_AFTER:
            message = exchange.error.message if exchange.error else ""
            self.on_event(Stopped(reason=f"the endpoint is gone: {message}", mode=mode))

    def down(self, mode: str) -> bool:
        return self.refused.get(mode, 0) >= _DOWN_AFTER

    def look(self) -> bool:
        """Looks at the evidence when a preset number of prompts is complete; whether it suffices."""
        settings, plan = self.settings, self.plan
        if settings.at_least is None or len(plan.looks) < 2 or not plan.together:
            return False
        whole = [p for p, modes in self.times.items() if all(len(modes.get(m, ())) >= plan.repeats for m in plan.modes)]
        due = [n for n in plan.looks if n <= len(whole) and n not in self.looked]
        if not due:
            return False
        size = due[-1]
        self.looked.update(due)
        bounds = obrien_fleming(tuple(n / plan.looks[-1] for n in plan.looks), 1 - settings.confidence)
        boundary = bounds[plan.looks.index(size)]
        settled = all(self.settled(m, whole, boundary) for m in plan.modes if m != plan.baseline)
        stop = settled and settings.early_stop and size < plan.looks[-1]
        reason = "the speed-up of every mode is decided" if stop else ""
        self.on_event(Look(prompts=len(whole), boundary=boundary, stopped=stop, reason=reason))
        return stop

    def settled(self, mode: str, whole: Sequence[str], boundary: float) -> bool:
        at_least = self.settings.at_least or 1.0
        base = {p: self.times[p][self.plan.baseline] for p in whole}
        logs = log_ratios(base, {p: self.times[p][mode] for p in whole})
        clusters = {p: self.prompts[p].cluster for p in whole}
        found = estimate(logs, clusters=clusters, confidence=confidence_of(boundary), seed=self.plan.seed)
        return found is not None and found.pairs >= MIN_PAIRS and (found.low >= at_least or found.high < at_least)

    # -- before the clock --------------------------------------------------------------------------------------------

    async def clear_cache(self, mode: str) -> bool:
        """Equal cache state for a batch; whether its prompts are salted."""
        settings = self.settings
        if settings.flush is not None and await settings.flush(mode):
            return False
        return settings.salt

    async def warm_up(self, mode: str, level: int) -> None:
        """Rounds of `level` requests that are not kept, until two in a row agree."""
        if not self.plan.warmup or self.down(mode):
            return
        prompts = list(self.prompts.values())
        medians: list[float] = []
        sent = 0
        for turn in range(self.plan.warmup + _EXTRA_ROUNDS):
            asked = [_warming(prompts[(turn * level + i) % len(prompts)], turn) for i in range(level)]
            replies = await asyncio.gather(*(self.client.chat(self.targets[mode], request) for request in asked))
            sent += len(replies)
            times = sorted(r.e2e_us / 1000 / max(1, r.completion_tokens or 1) for r in replies if r.e2e_us)
            medians.append(times[len(times) // 2] if times else 0.0)
            if turn + 1 >= self.plan.warmup and (not times or _level(medians)):
                break
        self.on_event(
            WarmUp(
                mode=mode,
                concurrency=level,
                requests=sent,
                levelled=_level(medians),
                last_e2e_ms=tuple(round(m, 3) for m in medians[-3:]),
            )
        )


def _level(medians: Sequence[float]) -> bool:
    if len(medians) < 2 or min(medians[-2:]) <= 0:
        return False
    return max(medians[-2:]) / min(medians[-2:]) - 1 <= _LEVEL_WITHIN


def _batches(requests: Sequence[Planned]) -> Iterator[list[Planned]]:
    for _, batch in groupby(requests, key=lambda p: (p.mode, p.repeat, p.group)):
        yield list(batch)


def _request_id(planned: Planned) -> str:
    return "evalkit-" + hashlib.sha256(planned.key.encode()).hexdigest()[:24]


def _salted(request: ChatRequest, salt: str) -> ChatRequest:
    """`request` whose first message starts with a text that no cache has seen."""
    mark = f"[{hashlib.sha256(salt.encode()).hexdigest()[:16]}]\n"
    first = request.messages[0]
    content = first.get("content")
    marked = mark + content if isinstance(content, str) else [{"type": "text", "text": mark}, *(content or [])]
    return replace(request, messages=({**first, "content": marked}, *request.messages[1:]))


def _warming(prompt: Prompt, turn: int) -> ChatRequest:
    return _salted(prompt.request, f"warm-up {prompt.id} {turn}")
