"""Control-plane HTTP: short, bounded reads of what a server says of itself. Generations go through `evalkit.client`.

Every answer ends within its deadlines and caps; bodies are never kept beyond the parse and never logged.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from functools import cache
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from evalkit.client.origin import address_of
from evalkit.client.proxies import Proxy, proxy_of
from evalkit.client.types import key_headers
from evalkit.limits import CONTROL, ControlLimits
from evalkit.secrets import Secret
from evalkit.serving.pages import ControlError, Reply
from evalkit.text import one_line

if TYPE_CHECKING:
    import httpx2

#: the only response headers that are looked at; the rest is dropped unread
HEADERS = (
    "server",
    "via",
    "x-litellm-version",
    "x-envoy-upstream-service-time",
    "x-kong-proxy-latency",
    "cf-ray",
    "x-portkey-trace-id",
    "openai-version",
    "x-request-id",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "ratelimit-limit",
)


@cache
def _certificates() -> ssl.SSLContext:
    """Read once: reading the authorities takes 25 ms, which a cache flush between timed requests must not."""
    import httpx2

    return httpx2.create_ssl_context()


def base_url(endpoint: str) -> str:
    """Scheme, host and prefix of an endpoint, without `/v1` or a full route behind it.

    Raises:
        UsageError: no http or https address, or one that carries a user name or a key.
    """
    return address_of(endpoint).base


class Control:
    """Reads one server. The key is sent to this origin only: redirects are reported, never followed.

    Paths that begin with `/v1/` go to the OpenAI routes, wherever the address says that they are.
    """

    def __init__(
        self,
        base: str,
        api_key: Secret | None = None,
        *,
        limits: ControlLimits | None = None,
        api: str | None = None,
        key_header: str | None = None,
    ) -> None:
        self.address = address_of(base)
        self.base, self.api = self.address.base, self.address.guess if api is None else api
        self.limits = limits or CONTROL
        #: shortest time from a request to its answer, in ms
        self.round_trip_ms: float | None = None
        self._key, self._header = api_key, key_header
        self._client: httpx2.AsyncClient | None = None
        self._via: Proxy | None = None

    async def find_api(self) -> None:
        """Where the OpenAI routes are, for an address that does not say it: by which list of models answers."""
        if self.address.api is not None:
            return
        for api in ("/v1", ""):
            self.api = api
            reply = await self.get_json("/v1/models")
            if reply.ok or (reply.error and reply.error.kind not in ("not-found", "not-json")):
                return
        self.api = self.address.guess

    def url(self, path: str) -> str:
        """Where a path is asked for."""
        if not path.startswith("/v1/"):
            return self.base + path
        query = self.address.query
        return f"{self.base}{self.api}{path.removeprefix('/v1')}{'?' if query else ''}{query}"

    async def __aenter__(self) -> Self:
        import httpx2

        limits = self.limits
        self._via = proxy_of(self.base)
        self._client = httpx2.AsyncClient(
            trust_env=False,  # no .netrc; a proxy is taken only as `proxy_of` decides
            follow_redirects=False,
            proxy=self._via.url if self._via else None,
            verify=_certificates(),
            timeout=httpx2.Timeout(limits.idle_s, connect=limits.connect_s),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def get_json(self, path: str) -> Reply:
        return _as_json(await self._send("GET", path))

    async def get_text(self, path: str) -> Reply:
        return await self._send("GET", path)

    async def post(self, path: str, *, key: Secret | None = None, total_s: float | None = None) -> Reply:
        """An empty POST; `key` replaces the endpoint's key for this one request."""
        return await self._send("POST", path, key=key, total_s=total_s)

    async def _send(self, method: str, path: str, *, key: Secret | None = None, total_s: float | None = None) -> Reply:
        import httpx2

        if self._client is None:
            raise RuntimeError("Control is used as a context manager")
        headers = {"accept": "application/json, text/plain", "accept-encoding": "identity"}
        headers |= key_headers(key or self._key, self._header)
        timeout = httpx2.Timeout(
            max(self.limits.idle_s, total_s or 0),
            connect=self.limits.connect_s,
        )
        began = time.monotonic()
        try:
            async with (
                asyncio.timeout(total_s or self.limits.total_s),
                self._client.stream(method, self.url(path), headers=headers, timeout=timeout) as response,
            ):
                took = (time.monotonic() - began) * 1000
                self.round_trip_ms = min(took, self.round_trip_ms or took)
                return await self._read(response)
        except (TimeoutError, httpx2.TimeoutException):
            return _failed("timeout", f"no complete answer within {total_s or self.limits.total_s:g} s")
        except httpx2.ConnectError as error:
            return _failed("refused", f"no connection{self._by_way()}: {error}")
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as error:
            return _failed("protocol", f"not HTTP as expected: {error or type(error).__name__}")

    def _by_way(self) -> str:
        return f" by way of {self._via}" if self._via else ""

    async def _read(self, response: httpx2.Response) -> Reply:
        status = response.status_code
        kept = {name: one_line(response.headers[name], limit=100) for name in HEADERS if name in response.headers}
        error = _status_error(status, response.headers.get("location"), self._by_way())
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if error is None and encoding not in ("", "identity"):
            error = ControlError("protocol", f"compressed ({one_line(encoding, limit=20)}) although not asked for")
        if error is not None:
            return Reply(status=status, error=error, headers=kept)
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > self.limits.max_bytes:
                large = ControlError("protocol", f"more than {self.limits.max_bytes // 1024} KiB for a short answer")
                return Reply(status=status, error=large, headers=kept)
        return Reply(status=status, text=body.decode("utf-8", "replace"), headers=kept)


def _status_error(status: int, location: str | None, by_way: str = "") -> ControlError | None:
    """`by_way` names the proxy between, whose answer it may be."""
    if status == 200:
        return None
    if status == 407:
        return ControlError("http", f"HTTP 407{by_way}: the proxy asks for a user and a password")
    if status in (401, 403) and not (by_way and status == 403):
        return ControlError("auth", f"HTTP {status}{by_way}: a key is missing or wrong")
    if status == 404:
        return ControlError("not-found", "HTTP 404")
    if 300 <= status < 400:
        parts = urlsplit(location or "")
        where = one_line(f"{parts.scheme}://{parts.hostname}" if parts.hostname else parts.path, limit=120)
        return ControlError("http", f"HTTP {status}, a redirect to {where or 'nowhere'}: not followed")
    return ControlError(
        "http", f"HTTP {status}{by_way}: the server's answer or the proxy's" if by_way else f"HTTP {status}"
    )


def _as_json(reply: Reply) -> Reply:
    if reply.error is not None:
        return reply
    try:
        value = json.loads(reply.text)
    except (ValueError, RecursionError):
        html = reply.text.lstrip()[:200].lower().startswith(("<!doctype", "<html", "<head", "<"))
        what = "a web page" if html else "no JSON"
        return Reply(
            status=reply.status,
            error=ControlError("not-json", f"{what} where JSON was expected"),
            headers=reply.headers,
        )
    return Reply(status=reply.status, json=value, headers=reply.headers)


def _failed(kind: str, message: str) -> Reply:
    return Reply(error=ControlError(kind, one_line(message, limit=200)))
