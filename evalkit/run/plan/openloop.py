"""Plays one block of open load: each request starts at its time, whether or not earlier ones are done."""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from evalkit import system
from evalkit.analysis.copies import copies, frame
from evalkit.analysis.replies import characters, gist, signs
from evalkit.checklist.load import Slo
from evalkit.client.types import ChatClient, ChatRequest, Exchange, Target
from evalkit.quality.case import texts_of
from evalkit.timing.watch import LoadWatch

#: replies of a block whose text is looked at for signs of broken decoding, once it is over
_LOOKED_AT = 100
#: characters of a reply that are held against those of others
_FRAMED = 8000
#: how often it is seen whether a block can still keep the service level
_EVERY_S = 0.05
#: a server that was left with work has so long to end it
_QUIET_S = 30.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request of a block. `at` is its intended start in seconds from the block's begin, `number` its prompt's."""

    at: float
    number: int
    request: ChatRequest


@dataclass
class Level:
    """The service level that a block is held to, which ends early once it cannot be kept. `counted`: how many of its
    requests count; `allowed`: how many of these may miss.
    """

    slo: Slo
    counted_from_s: float
    counted: int

    @property
    def allowed(self) -> int:
        return math.floor((1 - self.slo.share) * self.counted + 1e-9)

    def missed(self, ttft_ms: float | None, e2e_ms: float, tokens: int | None) -> bool:
        """Of an answered request."""
        slo = self.slo
        late_first = slo.ttft_ms is not None and (ttft_ms is None or ttft_ms > slo.ttft_ms)
        late_last = slo.e2e_ms is not None and e2e_ms > slo.e2e_ms
        return late_first or late_last or (slo.tpot_ms is not None and (not tokens or e2e_ms / tokens > slo.tpot_ms))


@dataclass
class _Columns:
    """One entry a request, in the order of the intended starts."""

    intended: array[float] = field(default_factory=lambda: array("d"))
    late: array[float] = field(default_factory=lambda: array("d"))
    ttft: array[float] = field(default_factory=lambda: array("d"))
    e2e: array[float] = field(default_factory=lambda: array("d"))
    tokens: array[int] = field(default_factory=lambda: array("q"))
    prompts: array[int] = field(default_factory=lambda: array("q"))
    ends: list[str] = field(default_factory=list)

    def open(self, arrival: Arrival) -> int:
        self.intended.append(arrival.at)
        self.prompts.append(arrival.number)
        for column in (self.late, self.ttft, self.e2e):
            column.append(math.nan)
        self.tokens.append(-1)
        self.ends.append("u")
        return len(self.ends) - 1


async def play(
    client: ChatClient,
    target: Target,
    arrivals: Iterable[Arrival],
    *,
    drain_s: float,
    level: Level | None = None,
    quiet: ChatRequest | None = None,
) -> dict[str, Any]:
    """The columns and figures of a `LoadBlock`: what became of each request.

    The block ends when its last request does, `drain_s` after the last start at the latest: what is unfinished then
    counts as that. With `level` it ends early once too many requests have missed it. `quiet` is asked at the end,
    alone: a server that answers it has no queue left.
    """
    return await _Block(client, target, drain_s, level).run(arrivals, quiet)


class _Block:
    def __init__(self, client: ChatClient, target: Target, drain_s: float, level: Level | None) -> None:
        self.client, self.target, self.drain_s, self.level = client, target, drain_s, level
        self.columns = _Columns()
        self.tasks: set[asyncio.Task[None]] = set()
        self.begin_ns = 0
        self.misses = 0
        self.stopped = self.full = False
        self.looked: list[tuple[Exchange, ChatRequest]] = []
        self.prompt_tokens = self.cached_tokens = 0
        self.told = 0
        #: requests whose prompt the server counted, and its tokens of them
        self.read = [0, 0]

    async def run(self, arrivals: Iterable[Arrival], quiet: ChatRequest | None) -> dict[str, Any]:
        started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        most = in_flight_limit()
        async with LoadWatch() as watch:
            self.begin_ns = time.monotonic_ns() + 5_000_000
            watching = asyncio.create_task(self._hopeless())
            try:
                for arrival in arrivals:
                    await self._until(arrival.at)
                    self.full = len(self.tasks) >= most
                    if self.stopped or self.full:
                        break
                    place = self.columns.open(arrival)
                    task = asyncio.create_task(self._one(arrival, place))
                    self.tasks.add(task)
                    task.add_done_callback(self.tasks.discard)
                await self._drain()
            finally:
                watching.cancel()
                await self._cut()
                await asyncio.gather(watching, return_exceptions=True)
            lag, cpu = watch.lag_p99_ms(), watch.cpu_share()
        after = await self._quiet(quiet) if quiet is not None else None
        return {**self._told(), "after_ms": after, "started_at": started_at, "loop_lag_p99_ms": lag, "cpu_share": cpu}

    def _now(self) -> float:
        """Seconds since the block began."""
        return (time.monotonic_ns() - self.begin_ns) / 1e9

    async def _until(self, at: float) -> None:
        while not self.stopped and (left := at - self._now()) > 0:  # noqa: ASYNC110  a time, no event
            await asyncio.sleep(min(left, 1.0))

    async def _one(self, arrival: Arrival, place: int) -> None:
        columns, called = self.columns, self._now()
        try:
            reply = await self.client.chat(self.target, arrival.request)
        finally:  # also of one that is cut off: how late it was sent, and how long it lasted
            columns.late[place] = 1000 * (called - arrival.at)
            columns.e2e[place] = 1000 * (self._now() - arrival.at)
        sent = called if reply.written_ns is None else (reply.written_ns - self.begin_ns) / 1e9
        connecting = (reply.connected_us or 0) / 1e6
        columns.late[place] = 1000 * max(0.0, sent - connecting - arrival.at)
        before = 1000 * (sent - arrival.at)
        columns.ends[place] = end = _end(reply)
        if end == "a":
            columns.e2e[place] = before + (reply.done_us or 0) / 1000
        ttft = None if reply.first_chunk_us is None else before + reply.first_chunk_us / 1000
        if ttft is not None:
            columns.ttft[place] = ttft
        tokens = reply.completion_tokens
        if tokens is not None:
            columns.tokens[place] = tokens
        if reply.ok and reply.prompt_tokens:
            self.read[0] += 1
            self.read[1] += reply.prompt_tokens
        if reply.cached_tokens is not None and reply.prompt_tokens:
            self.told += 1
            self.cached_tokens += reply.cached_tokens
            self.prompt_tokens += reply.prompt_tokens
        if end in "ae" and len(self.looked) < _LOOKED_AT:
            self.looked.append((reply, arrival.request))
        level = self.level
        if level is not None and arrival.at >= level.counted_from_s:
            self.misses += end != "a" or level.missed(ttft, columns.e2e[place], tokens)

    async def _hopeless(self) -> None:
        """Ends the block once more requests have missed the level than may."""
        level = self.level
        while level is not None and not self.stopped:
            await asyncio.sleep(_EVERY_S)
            overdue = 0
            if level.slo.e2e_ms is not None:
                now, limit, columns = self._now(), level.slo.e2e_ms / 1000, self.columns
                for place in range(len(columns.ends) - 1, -1, -1):
                    at = columns.intended[place]
                    if at < level.counted_from_s:
                        break
                    overdue += math.isnan(columns.e2e[place]) and now - at > limit
            if self.misses + overdue > level.allowed:
                self.stopped = True

    async def _drain(self) -> None:
        """Until the last request ends, or what is left has had its time."""
        until = self._now() + self.drain_s
        while self.tasks and not self.stopped and (left := until - self._now()) > 0:
            await asyncio.wait(self.tasks, timeout=min(left, 0.2), return_when=asyncio.FIRST_COMPLETED)

    async def _cut(self) -> None:
        """Hangs up on what is unfinished."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _quiet(self, request: ChatRequest) -> float | None:
        """Ms until a single request is answered; None: it was not."""
        since = time.monotonic()
        try:
            async with asyncio.timeout(_QUIET_S):
                while True:
                    reply = await self.client.chat(self.target, request)
                    if reply.ok:
                        return 1000 * (time.monotonic() - since)
                    if reply.error is not None and reply.error.kind == "refused":
                        return None
                    await asyncio.sleep(0.25)
        except TimeoutError:
            return None

    def _told(self) -> dict[str, Any]:
        looked = [(reply, "\n".join(texts_of(request.messages)), request.tools) for reply, request in self.looked]
        marks = [(asked, gist(reply), frame(reply.text[:_FRAMED], asked)) for reply, asked, _ in looked]
        columns, found = self.columns, Counter(sign for _, sign in copies(marks))
        for reply, asked, tools in looked:
            found.update(signs(reply, asked, tools))

        def ms(column: array[float]) -> tuple[float, ...]:
            return tuple(0.0 if math.isnan(v) else round(v, 2) for v in column)

        return {
            "intended_ms": tuple(round(1000 * at, 2) for at in columns.intended), "late_ms": ms(columns.late),
            "ttft_ms": tuple(None if math.isnan(v) else round(v, 2) for v in columns.ttft), "e2e_ms": ms(columns.e2e),
            "tokens": tuple(None if v < 0 else v for v in columns.tokens), "ends": "".join(columns.ends),
            "prompts": tuple(columns.prompts), "looked_at": len(self.looked), "signs": dict(sorted(found.items())),
            "looked_characters": sum(characters(reply, visible=True) for reply, _ in self.looked),
            "prompt_tokens": self.prompt_tokens if self.told else None,
            "cached_tokens": self.cached_tokens if self.told else None, "stopped": self.stopped, "full": self.full,
            "counted_prompts": self.read[0], "read_tokens": self.read[1],
        }  # fmt: skip


def _end(reply: Exchange) -> str:
    """One letter of `evalkit.timing.facts.ENDS`."""
    if reply.ok:
        return "a" if reply.spoken else "e"
    if reply.status in (429, 503):
        return "s"
    kind = reply.error.kind if reply.error else ""
    return {"refused": "r", "timeout": "t", "empty": "e"}.get(kind, "x")


def in_flight_limit() -> int:
    """Requests that may be in flight at once: file descriptors of this process, raised as far as it may raise them."""
    return max(64, system.most_files() - 128)
