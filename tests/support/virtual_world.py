"""A world in which whole runs take no time but the CPU's: scripted servers in the loop of the run, and a virtual clock.

Sockets, bytes and deadlines are real; the times are those of the scripts, on a busy machine as on a quiet one. What is
about processes, the real clock or the client's own error needs `ReferenceProcess`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

import evalkit.client
import evalkit.client.wire
import evalkit.run.recorder
import evalkit.run.steps.load
import evalkit.run.steps.timing
import evalkit.serving.place
from evalkit.reference.answers import Answers
from evalkit.reference.script import Script
from evalkit.serving.place import Place
from evalkit.timing import watch, witness
from evalkit.timing.facts import ClientError
from tests.faults import virtual
from tests.faults.virtual import Clock
from tests.support.faults import FaultServer


async def _calibrated(_: object, streams: int, *, events_per_s: float = 50.0, **__: object) -> ClientError:
    """The calibration measures this machine, which virtual time hides: a figure as it comes out otherwise."""
    return ClientError(
        streams=streams, events_per_s=events_per_s * streams, ttft_error_ms=0.1, e2e_error_ms=0.1,
        e2e_error_share=0.001, itl_error_share=0.001, lag_p99_ms=0.1, events=50,
    )  # fmt: skip


def _quiet() -> witness._Reading:
    """Nobody else works on this machine: what others use while a virtual second goes by says nothing."""
    return witness._Reading(at=time.monotonic(), wall=time.time(), used={}, parents={}, steal=0.0, total=0.0)


async def _here(_: str) -> Place:
    return Place("here", "the servers of this test")


@contextmanager
def world(patch: pytest.MonkeyPatch, clock: Clock, servers: Callable[[], Sequence[FaultServer]]) -> Iterator[None]:
    """Runs in this block are on `clock`, and `servers()` answer while one goes on."""

    async def serving(main: Any) -> Any:
        up = servers()
        for server in up:
            await server.serve()
        try:
            return await main
        finally:
            for server in up:
                server.close()

    with ExitStack() as stack:
        stack.enter_context(virtual.virtual_time(patch, clock, (evalkit.client.wire, evalkit.run.recorder)))
        inner = stack.enter_context(patch.context())
        inner.setattr(evalkit.client, "run", lambda main: virtual.run(clock, serving(main)))
        for step in (evalkit.run.steps.timing, evalkit.run.steps.load):
            inner.setattr(step, "client_error", _calibrated)
        inner.setattr(evalkit.serving.place, "find", _here)
        inner.setattr(witness, "_read", _quiet)
        inner.setattr(watch, "_EVERY_S", 0.1)  # nothing holds up a loop whose clock waits for it
        yield


class World:
    """Servers that a test starts by their scripts, and ends."""

    def __init__(self) -> None:
        self.up: list[FaultServer] = []

    def serve(self, *scripts: Script, port: int = 0, answers: Answers | None = None) -> list[FaultServer]:
        started = [FaultServer(script, port=port, answers=answers) for script in scripts]
        self.up += started
        return started

    def close(self, *servers: FaultServer) -> None:
        """Ends `servers`, or all."""
        for server in servers or self.up:
            server.close()
        self.up = [one for one in self.up if servers and one not in servers]


@contextmanager
def worlds() -> Iterator[World]:
    """A world for as long as the block. The ids of its runs, which salts and so replies hang on, are the same each time."""
    made, runs = World(), count(1)
    named = SimpleNamespace(uuid4=lambda: UUID(int=next(runs) << 80))
    with pytest.MonkeyPatch.context() as patch, world(patch, Clock(), lambda: made.up):
        patch.setattr("evalkit.run.recorder.uuid", named)
        try:
            yield made
        finally:
            made.close()
