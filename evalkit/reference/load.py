"""Running and waiting requests: admission first come, first served, and the load that slows all down."""

from __future__ import annotations

import asyncio
from collections import deque


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
