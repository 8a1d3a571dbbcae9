"""The same client over httpx2, for endpoints that are only reached through a proxy.

Its own error is larger than the wire client's: every exchange says `transport: httpx2`, and calibration measures it.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evalkit.client.origin import header_value, origin_of
from evalkit.client.recording import Recording, to_exchange
from evalkit.client.types import ChatRequest, Exchange, Target

if TYPE_CHECKING:
    import httpx2


class ProxyClient:
    """Implements `ChatClient` by httpx2, whose proxy settings come from the environment."""

    transport = "httpx2"

    def __init__(self, *, proxy: str | None = None) -> None:
        self._proxy = proxy
        self._client: httpx2.AsyncClient | None = None
        self._turn = asyncio.Lock()

    async def chat(self, target: Target, request: ChatRequest, *, request_id: str | None = None) -> Exchange:
        """As `WireClient.chat`."""
        import httpx2

        origin = origin_of(target.base_url)
        limits = target.limits
        recording = Recording(limits, streaming=request.stream, transport=self.transport)
        headers = {"Accept-Encoding": "identity"}
        if request_id is not None:
            headers["X-Request-Id"] = header_value(request_id, "request id")
        headers |= target.authorization
        timeout = httpx2.Timeout(None, connect=limits.connect_s)
        scheme = "https" if origin.tls else "http"
        url = f"{scheme}://{origin.netloc}{origin.path}{target.route}"
        recording.written_at = datetime.now(UTC).isoformat(timespec="microseconds")
        recording.written_ns = time.monotonic_ns()
        now = asyncio.get_running_loop().time()
        last = now + limits.total_s
        try:
            async with asyncio.timeout_at(min(last, now + limits.connect_s + limits.first_byte_s)) as deadline:
                body = request.body(target.model)
                async with self._open().stream("POST", url, json=body, headers=headers, timeout=timeout) as response:
                    await self._receive(response, recording, deadline, last)
        except TimeoutError:
            recording.fail("timeout", "the first byte, the next byte or the end of the reply did not come in time")
        except httpx2.TimeoutException as error:
            recording.fail("timeout", f"a deadline passed: {type(error).__name__}")
        except (httpx2.ConnectError, httpx2.ProxyError) as error:
            recording.fail("refused", f"no connection to {origin.netloc}: {error}")
        except httpx2.HTTPError as error:
            if recording.status is None:
                recording.fail("protocol", f"{type(error).__name__}: {error}")
            recording.closed_early = True
        recording.end_ns = recording.end_ns or time.monotonic_ns()
        return await to_exchange(recording, self._turn)

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _open(self) -> httpx2.AsyncClient:
        import httpx2

        if self._client is None:
            caps = httpx2.Limits(max_connections=2048, max_keepalive_connections=2048, keepalive_expiry=2.0)
            self._client = httpx2.AsyncClient(limits=caps, proxy=self._proxy, follow_redirects=False)
        return self._client

    @staticmethod
    async def _receive(response: httpx2.Response, recording: Recording, deadline: asyncio.Timeout, last: float) -> None:
        clock, idle = asyncio.get_running_loop().time, recording.limits.idle_s
        recording.first_ns = time.monotonic_ns()
        recording.status = response.status_code
        recording.headers = {key.lower(): value for key, value in response.headers.items()}
        deadline.reschedule(min(last, clock() + idle))
        async for data in response.aiter_raw():
            deadline.reschedule(min(last, clock() + idle))
            now = time.monotonic_ns()
            full = recording.add(data, now)
            if full:
                recording.fail("protocol", full)
                return
            if recording.done_seen:
                recording.end_ns = recording.end_ns or now
