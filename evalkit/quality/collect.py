"""Sends task cases to the servers and stores graded replies. Sampling is probed here too.

Quality runs after the timing, at the concurrency asked for. A request that hangs meets its deadline, and a suite that
hangs as such is given up after a few of them, so that the next suite has its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.client.types import ChatClient, ChatRequest, Exchange, ExchangeError, Target
from evalkit.quality.case import Case, Suite, request_for, request_sha256
from evalkit.quality.facts import Answer, SamplingProbe
from evalkit.quality.grading import answer
from evalkit.timing.facts import TimedSample

#: so many requests of one suite in one mode without a reply, one after the other, end that suite in that mode
GIVE_UP_AFTER = 3
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
    def request_sha256(self) -> str:
        return request_sha256(self.request)


def plan(suites: Sequence[Suite], modes: Sequence[str], *, baseline: str) -> list[PlannedCase]:
    """Every request, suite by suite and mode by mode, the baseline first.

    The baseline answers each case once more than the modes do: equality of its two replies is the noise floor. Cases
    with tools are asked unstreamed too, where a stream's parser has no part.
    """
    ordered = [mode for mode in modes if mode == baseline] + [mode for mode in modes if mode != baseline]
    planned = []
    for suite in suites:
        for mode in ordered:
            extra = 1 if mode == baseline else 0
            for case in suite.cases:
                planned += [PlannedCase(mode, suite, case, repeat) for repeat in range(case.repeats + extra)]
                if case.tools:
                    planned.append(PlannedCase(mode, suite, case, streamed=False))
    return planned


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
        self.on_answer(
            answer(
                planned.mode, planned.suite, planned.case, reply,
                repeat=planned.repeat, streamed=planned.streamed, allow_exec=self.allow_exec,
            )
        )  # fmt: skip

    def late(self) -> bool:
        return self.deadline is not None and asyncio.get_running_loop().time() >= self.deadline

    async def ask(self, planned: PlannedCase) -> Exchange | None:
        """The reply; None when the whole run's deadline came first, so that the case stays open for a later sitting."""
        target = self.targets[planned.mode]
        limit = target.limits.total_s + GRACE_S
        left = None if self.deadline is None else max(0.0, self.deadline - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(limit if left is None else min(limit, left)):
                return await self.client.chat(target, planned.request)
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
    target are left out: their server is not up in this sitting. Never raises for what a server does.
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


def case_id_of(suite: Suite, case: Case) -> str:
    """What `TimedSample.case_id` holds when a timed prompt is a task case."""
    return f"{suite.name}|{case.id}"


def timed_answers(
    samples: Iterable[TimedSample], suites: Sequence[Suite], *, concurrency: int, allow_exec: bool = False
) -> list[Answer]:
    """Answers from timed replies whose prompt is a task case: the text that was timed is the text that is scored.

    Only samples at `concurrency` count. Put their keys into `done` and nothing is asked twice.
    """
    cases = {case_id_of(suite, case): (suite, case) for suite in suites for case in suite.cases}
    found = []
    for sample in samples:
        named = cases.get(sample.case_id or "")
        if named is None or sample.concurrency != concurrency or sample.fixed_length or sample.salted:
            continue
        suite, case = named
        found.append(answer(sample.mode, suite, case, sample.exchange, repeat=sample.repeat, allow_exec=allow_exec))
    return found


#: many good replies, so that a server that draws at all draws different ones
SAMPLING_PROMPT = "Invent a name for a small bakery by the sea, and add one sentence about it."


async def probe_sampling(
    mode: str,
    target: Target,
    client: ChatClient,
    *,
    temperature: float = 1.0,
    draws: int = 10,
    prompt: str = SAMPLING_PROMPT,
    extra_body: dict[str, object] | None = None,
) -> SamplingProbe:
    """Distinct replies of `draws` requests at `temperature` (production's, if above 0), and of as many at 0."""

    async def replies(at: float) -> list[Exchange]:
        request = ChatRequest(
            messages=({"role": "user", "content": prompt},), max_tokens=48, temperature=at, extra_body=extra_body or {}
        )
        found = []
        for _ in range(draws):
            found.append(await client.chat(target, request))
            if [one.ok for one in found[-3:]] == [False, False, False]:
                break  # a dead server is not asked twenty times
        return found

    warm, cold = await replies(temperature), await replies(0.0)
    return SamplingProbe(
        mode=mode,
        draws=draws,
        distinct_at_one=len({one.text for one in warm if one.ok}),
        distinct_at_zero=len({one.text for one in cold if one.ok}),
        failed=2 * draws - sum(one.ok for one in (*warm, *cold)),
    )
