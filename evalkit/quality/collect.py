"""Sends task cases to the servers and stores graded replies.

Quality runs after the timing, at the concurrency asked for. A request that hangs meets its deadline, and a suite that
hangs as such is given up after a few of them, so that the next suite has its turn.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from evalkit.client.types import ChatClient, ChatRequest, Exchange, ExchangeError, Target
from evalkit.limits import GIVE_UP_AFTER
from evalkit.quality.case import Case, Suite, request_for, request_sha256
from evalkit.quality.facts import Answer, SamplingProbe
from evalkit.quality.grading import answer

#: over the client's own deadline: a client that hangs is cut off here
GRACE_S = 5.0
_FATAL = ("timeout", "refused")


@dataclass(frozen=True)
class PlannedCase:
    """One request of the plan. `key` is the key of its answer."""

    mode: str
    suite: Suite
    case: Case
    repeat: int = 0
    streamed: bool = True

    @property
    def request(self) -> ChatRequest:
        return request_for(self.case, self.repeat, streamed=self.streamed)

    @property
    def key(self) -> str:
        return f"{self.mode}|{self.suite.name}|{self.case.id}|{self.repeat}|{int(self.streamed)}"

    @property
    def request_id(self) -> str:
        """The request's name for the server: the same whenever it is sent again."""
        return "evalkit-" + hashlib.sha256(self.key.encode()).hexdigest()[:24]

    @property
    def request_sha256(self) -> str:
        return request_sha256(self.request)


def plan(suites: Sequence[Suite], modes: Sequence[str], *, baseline: str) -> list[PlannedCase]:
    """Every request, suite by suite and mode by mode, the baseline first.

    The baseline answers once more than the modes do where a suite has a noise floor. Cases with tools are asked
    unstreamed too, where a stream's parser has no part.
    """
    ordered = [mode for mode in modes if mode == baseline] + [mode for mode in modes if mode != baseline]
    planned = []
    for suite in suites:
        for mode in ordered:
            extra = int(suite.noise_floor and mode == baseline)
            for case in suite.cases:
                planned += [PlannedCase(mode, suite, case, repeat) for repeat in range(case.repeats + extra)]
                if case.tools:
                    planned.append(PlannedCase(mode, suite, case, streamed=False))
    return planned


def plan_alone(suites: Sequence[Suite], modes: Sequence[str], *, cases: int) -> list[PlannedCase]:
    """The first request of at most `cases` cases, spread evenly over the suites, mode by mode."""
    every = [(suite, case) for suite in suites for case in suite.cases]
    chosen = [every[n * len(every) // cases] for n in range(cases)] if cases < len(every) else every
    return [PlannedCase(mode, suite, case) for mode in modes for suite, case in chosen]


@dataclass
class _Line:
    """One suite in one mode, and whether it still answers."""

    silent: int = 0
    given_up: str | None = None


@dataclass
class _Run:
    targets: Mapping[str, Target]
    client: ChatClient
    on_answer: Callable[[Answer], None]
    allow_exec: bool
    deadline: float | None
    lines: dict[tuple[str, str], _Line] = field(default_factory=dict)

    async def one(self, planned: PlannedCase) -> None:
        line = self.lines.setdefault((planned.mode, planned.suite.name), _Line())
        if self.late():
            return
        if line.given_up is None:
            reply = await self.ask(planned)
            if reply is None:
                return
            self.judge_line(line, reply)
        else:
            reply = _failed(f"not sent: {line.given_up}")
        grade = partial(
            answer, planned.mode, planned.suite, planned.case, reply,
            repeat=planned.repeat, streamed=planned.streamed, allow_exec=self.allow_exec,
        )  # fmt: skip
        # code that runs for seconds must not keep other replies waiting
        self.on_answer(await asyncio.to_thread(grade) if self.allow_exec else grade())

    def late(self) -> bool:
        return self.deadline is not None and asyncio.get_running_loop().time() >= self.deadline

    async def ask(self, planned: PlannedCase) -> Exchange | None:
        """The reply; None when the whole run's deadline came first, so that the case stays open for a later session."""
        target = self.targets[planned.mode]
        limit = target.limits.total_s + GRACE_S
        left = None if self.deadline is None else max(0.0, self.deadline - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(limit if left is None else min(limit, left)):
                return await self.client.chat(target, planned.request, request_id=planned.request_id)
        except TimeoutError:
            return None if self.late() else _failed(f"no reply within {limit:g} s")

    @staticmethod
    def judge_line(line: _Line, reply: Exchange) -> None:
        fatal = reply.error is not None and reply.error.kind in _FATAL
        line.silent = line.silent + 1 if fatal else 0
        if line.silent >= GIVE_UP_AFTER and reply.error is not None:
            line.given_up = f"{line.silent} requests in a row met no reply ({reply.error.message})"


def _failed(message: str) -> Exchange:
    return Exchange(ok=False, error=ExchangeError(kind="timeout", message=message))


async def run_cases(
    targets: Mapping[str, Target],
    planned: Iterable[PlannedCase],
    client: ChatClient,
    *,
    done: set[str],
    on_answer: Callable[[Answer], None],
    concurrency: int = 1,
    deadline: float | None = None,
    allow_exec: bool = False,
) -> int:
    """Sends what is not yet done, with at most `concurrency` requests at once; returns how many answers were stored.

    `deadline` is on the running loop's clock (`loop.time()`); cases not answered by then stay open. Modes without a
    target are left out: their server is not up in this session. Never raises for what a server does.
    """
    stored = 0

    def store(one: Answer) -> None:
        nonlocal stored
        stored += 1
        on_answer(one)

    run = _Run(targets, client, store, allow_exec, deadline)
    open_cases = [one for one in planned if one.key not in done and one.mode in targets]
    queue = iter(open_cases)

    async def worker() -> None:
        for one in queue:
            await run.one(one)

    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, min(concurrency, len(open_cases)))):
            group.create_task(worker())
    return stored


#: asked to see whether a server draws: it has many good replies
_DRAWN = "Invent a name for a small bakery by the sea, and add one sentence about it."
_DRAWS = 10


async def probe_sampling(
    mode: str,
    target: Target,
    client: ChatClient,
    *,
    temperature: float = 1.0,
    draws: int = _DRAWS,
    extra_body: dict[str, object] | None = None,
) -> SamplingProbe:
    """Distinct replies of `draws` short requests at temperature 1, at 0, and at production's `temperature`: several
    diffusion algorithms and verification steps ignore it without a word.
    """

    async def replies(at: float) -> list[Exchange]:
        request = ChatRequest(
            messages=({"role": "user", "content": _DRAWN},), max_tokens=48, temperature=at, extra_body=extra_body or {}
        )
        found: list[Exchange] = []
        for _ in range(draws):
            found.append(await client.chat(target, request))
            if [one.ok for one in found[-3:]] == [False, False, False]:
                break  # a dead server is not asked twenty times
        return found

    def distinct(found: list[Exchange]) -> int:
        return len({one.text for one in found if one.ok})

    warm, cold = await replies(1.0), await replies(0.0)
    return SamplingProbe(
        mode=mode,
        draws=draws,
        distinct_at_one=distinct(warm),
        distinct_at_zero=distinct(cold),
        failed=draws - sum(one.ok for one in warm),
        temperature=temperature,
        distinct_at_asked=None if temperature in (0.0, 1.0) else distinct(await replies(temperature)),
    )
