"""Plays a reply on the clock: every event leaves at its time on an absolute schedule, and the log says when it did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from evalkit.reference.bodies import body_of
from evalkit.reference.emissions import Emission
from evalkit.reference.frames import DONE, frames_of, late_error_events
from evalkit.reference.refusals import bad_request
from evalkit.reference.schedule import Tick, with_rounds
from evalkit.reference.state import State
from evalkit.reference.usage import Work, dumps

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_SSE = [(b"content-type", b"text/event-stream; charset=utf-8")]


@dataclass(frozen=True, slots=True)
class Due:
    """A tick of one choice, `after_ms` after the one before it in the merged stream."""

    after_ms: float
    choice: int
    start: int
    tick: Tick


class Exchange:
    """One accepted request as an ASGI response."""

    def __init__(self, state: State, work: Work, record: Emission) -> None:
        self._state, self._work, self._record = state, work, record
        self._dying = state.dying
        self._placed = self._counted = False

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's shape
        """Answer, or stop when the client leaves."""
        playing = asyncio.ensure_future(self._run(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({playing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                self._record.aborted = True
        except asyncio.CancelledError:
            self._record.aborted = True  # the server stops: the client sees a dropped connection
        for task in (playing, leaving):
            task.cancel()
        try:
            await playing
        except asyncio.CancelledError:
            pass  # ours, or the server's end: the record says so
        finally:
            self._settle()

    async def _run(self, send: Send) -> None:
        job, script = self._work.job, self._state.script
        if script.hang_on_schema and any(c.ask.schema is not None for c in job.choices):
            await asyncio.Event().wait()
        waited = await self._state.slots.acquire()
        self._placed = True
        # Without a queue the schedule counts from the arrival: the server's own work is part of the first delay.
        self._record.admitted_ns = time.monotonic_ns() if waited else self._record.received_ns
        if job.late_error:
            await self._refuse(send, job.late_error)
        elif job.stream:
            await self._stream(send)
        else:
            await self._whole(send)

    def _settle(self) -> None:
        """Free the place and write the record: before the last bytes leave, so that their reader finds both done."""
        if self._placed:
            self._placed = False
            self._state.slots.release()
        if not self._counted:
            self._counted = True
            self._state.count(self._work, self._record)

    async def _stream(self, send: Send) -> None:
        work, record = self._work, self._record
        frames = frames_of(work)
        opened: set[int] = set()
        due = float(record.admitted_ns)
        for item in merged(work, rounds=frames.rounds):
            due += item.after_ms * 1e6 * self._load()
            await sleep_until(int(due))
            if not opened:
                await self._open(send)
            if self._dying and opened:
                self._die()
            if item.choice not in opened:
                opened.add(item.choice)
                await _write(send, frames.opening(item.choice))
            new_text = item.tick.tokens > item.start
            record.forwards += item.tick.forwards
            for event in frames.step(item.choice, item.start, item.tick.tokens):
                if new_text:
                    record.chunks.append((time.monotonic_ns(), item.tick.tokens))
                    record.due_ns.append(int(due))
                await _write(send, event)
            if item.tick.tokens >= work.generations[item.choice].total:
                record.completion_tokens += item.tick.tokens
                await _write(send, frames.finish(item.choice))
        if self._dying:
            self._die()
        await _write(send, frames.closing())
        await self._last(send, DONE)

    async def _whole(self, send: Send) -> None:
        due = float(self._record.admitted_ns)
        for item in merged(self._work, rounds=False):
            due += item.after_ms * 1e6 * self._load()
            self._record.forwards += item.tick.forwards
            await sleep_until(int(due))
            if self._dying:
                self._die()
        self._record.completion_tokens = self._work.completion_tokens
        await self._json(send, body_of(self._work))

    async def _refuse(self, send: Send, message: str) -> None:
        self._record.status = 200 if self._work.job.stream else 400
        if not self._work.job.stream:
            await self._json(send, bad_request(self._work.job.route, message).body)
            return
        await self._open(send)
        await self._last(send, late_error_events(self._work, message))

    async def _open(self, send: Send) -> None:
        self._record.headers_ns = time.monotonic_ns()
        await send({"type": "http.response.start", "status": 200, "headers": _SSE})

    async def _json(self, send: Send, body: Any) -> None:
        raw = dumps(body).encode()
        headers = [(b"content-length", str(len(raw)).encode()), (b"content-type", b"application/json")]
        self._record.headers_ns = time.monotonic_ns()
        await send({"type": "http.response.start", "status": self._record.status, "headers": headers})
        await self._last(send, raw)

    async def _last(self, send: Send, body: bytes) -> None:
        self._record.done_ns = time.monotonic_ns()
        self._settle()
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _load(self) -> float:
        return 1 + self._state.script.slowdown * (self._state.slots.running - 1)

    def _die(self) -> None:
        self._record.aborted = True
        self._state.die()
        raise asyncio.CancelledError


def merged(work: Work, *, rounds: bool) -> list[Due]:
    """The ticks of all choices in the order in which they are due."""
    timed: list[tuple[float, int, int, Tick]] = []
    for choice, schedule in enumerate(work.ticks):
        at, known = 0.0, 0
        for tick in with_rounds(work.script, [*schedule]) if rounds else schedule:
            at += tick.after_ms
            timed.append((at, choice, known, tick))
            known = tick.tokens
    if len(work.ticks) > 1:
        timed.sort(key=lambda item: item[:3])
    before = 0.0
    out = []
    for at, choice, known, tick in timed:
        out.append(Due(at - before, choice, known, tick))
        before = at
    return out


async def sleep_until(due_ns: int) -> None:
    """Return at `due_ns` of the monotonic clock, or at once when it has passed; late by the loop's millisecond."""
    delay = due_ns - time.monotonic_ns()
    if delay > 0:
        await asyncio.sleep(delay / 1e9)


async def _write(send: Send, event: bytes) -> None:
    if event:
        await send({"type": "http.response.body", "body": event, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
