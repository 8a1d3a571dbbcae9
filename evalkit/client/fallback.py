"""The same client over httpx2, for endpoints that are only reached through a proxy.

Its own error is larger than the wire client's: every exchange says `transport: httpx2`, and calibration measures it.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evalkit.client.origin import header_value, origin_of
from evalkit.client.proxies import Proxy, proxy_of
from evalkit.client.recording import Recording, to_exchange
from evalkit.client.types import ChatRequest, Exchange, Target

if TYPE_CHECKING:
    import httpx2


class ProxyClient:
    """Implements `ChatClient` by httpx2. Each origin is reached as the environment says; `proxy` is for all of them."""

    transport = "httpx2"

    def __init__(self, *, proxy: str | None = None) -> None:
        self._proxy = Proxy("--proxy", proxy) if proxy else None
        self._clients: dict[str | None, httpx2.AsyncClient] = {}
        self._turn = asyncio.Lock()

    async def chat(self, target: Target, request: ChatRequest, *, request_id: str | None = None) -> Exchange:
        """As `WireClient.chat`."""
        import httpx2

        origin = origin_of(target.base_url)
        limits = target.limits
        recording = Recording(limits, streaming=request.stream, transport=self.transport)
        via = self._proxy or proxy_of(target.base_url)
        recording.via = str(via) if via else None
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
                async with self._open(via).stream("POST", url, json=body, headers=headers, timeout=timeout) as response:
                    await self._receive(response, recording, deadline, last)
        except TimeoutError:
            recording.fail("timeout", "the first byte, the next byte or the end of the reply did not come in time")
        except httpx2.TimeoutException as error:
            recording.fail("timeout", f"a deadline passed: {type(error).__name__}")
        except (httpx2.ConnectError, httpx2.ProxyError) as error:
            recording.fail("refused", f"no connection to {origin.netloc}{f' by way of {via}' if via else ''}: {error}")
        except httpx2.HTTPError as error:
            if recording.status is None:
                recording.fail("protocol", f"{type(error).__name__}: {error}")
            recording.closed_early = True
        recording.end_ns = recording.end_ns or time.monotonic_ns()
        return await to_exchange(recording, self._turn)

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    def _open(self, via: Proxy | None) -> httpx2.AsyncClient:
        import httpx2

        url = via.url if via else None
        if url not in self._clients:
            caps = httpx2.Limits(max_connections=2048, max_keepalive_connections=2048, keepalive_expiry=2.0)
            self._clients[url] = httpx2.AsyncClient(
                limits=caps,
                proxy=url,
                follow_redirects=False,
                trust_env=False,  # no .netrc; a proxy is taken only as `proxy_of` decides
                verify=httpx2.create_ssl_context(),
            )
        return self._clients[url]

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
