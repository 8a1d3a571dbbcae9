"""Whether the client itself kept up: lag of the event loop and share of one core."""

from __future__ import annotations

import asyncio
import time
from typing import Self

_EVERY_S = 0.005


class LoadWatch:
    """Probes the loop every 5 ms while it is open. Read the figures before it closes or after."""

    def __init__(self) -> None:
        self._lags: list[float] = []
        self._task: asyncio.Task[None] | None = None
        self._wall = self._cpu = 0.0

    async def __aenter__(self) -> Self:
        self._wall, self._cpu = time.monotonic(), time.process_time()
        self._task = asyncio.create_task(self._probe())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _probe(self) -> None:
        while len(self._lags) < 1_000_000:
            due = time.monotonic() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            self._lags.append(max(0.0, time.monotonic() - due))

    def lag_p99_ms(self) -> float | None:
        """99th percentile of how late the loop woke up, in ms; None before the first probe."""
        lags = sorted(self._lags)
        return lags[min(len(lags) - 1, int(0.99 * len(lags)))] * 1000 if lags else None

    def cpu_share(self) -> float:
        """CPU time of this process over wall time: 1.0 is one core."""
        wall = time.monotonic() - self._wall
        return (time.process_time() - self._cpu) / wall if wall > 0 else 0.0
