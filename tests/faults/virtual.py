"""Virtual time: an event loop whose clock jumps to the next timer as soon as no byte is under way.

The sockets are real, the bytes are real, and the deadlines are those that evalkit ships with; only waiting is free. A
run that would sit for an hour in front of a silent server takes the CPU time of its requests, and the same run gives
the same times on a busy machine.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

#: a jump longer than this waits a little for bytes that the kernel may still hold
_LONG_S = 0.25
_SETTLE_S = 0.01
#: how long to wait for a thread that works outside of the loop
_OUTSIDE_S = 0.05


@dataclass
class Clock:
    """Seconds. `wall` is what the wall clock is off by: it may jump, the monotonic clock does not."""

    now: float = 1_000.0
    wall: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def monotonic_ns(self) -> int:
        return round(self.now * 1e9)

    def jump(self, seconds: float) -> None:
        self.wall += seconds


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.outside = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.outside:
            return super().select(_OUTSIDE_S)
        if timeout > _LONG_S and (ready := super().select(_SETTLE_S)):
            return ready
        self.clock.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs on a `Clock`."""

    def __init__(self, clock: Clock) -> None:
        self._chosen = _Selector(clock)
        super().__init__(self._chosen)

    def time(self) -> float:
        return self._chosen.clock.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self._chosen.outside += 1

        def back(_: object) -> None:
            self._chosen.outside -= 1

        future.add_done_callback(back)
        return future


def run(clock: Clock, main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(main)


@contextmanager
def virtual_time(monkeypatch: Any, clock: Clock, modules: tuple[Any, ...] = ()) -> Iterator[None]:
    """`time` tells the clock's time, and the `datetime` of `modules` a wall clock that goes with it and may jump."""
    start, real = clock.now, datetime.now(UTC)

    class WallClock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return (real + timedelta(seconds=clock.now - start + clock.wall)).astimezone(tz)

    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", clock.monotonic)
        patch.setattr(time, "monotonic_ns", clock.monotonic_ns)
        patch.setattr(time, "process_time", lambda: 0.0)
        for module in modules:
            patch.setattr(module, "datetime", WallClock)
        yield
