"""The client of timed requests: HTTP/1.1 on an `asyncio.Protocol`, framed by httptools.

The time is taken in the socket callback before a byte is parsed. Measured against httpx2 and aiohttp in benchmarks/.
Nothing is retried, redirects are not followed, and a key goes only to the origin that it belongs to.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import httptools

from evalkit import __version__
from evalkit.client.origin import Origin, header_value, origin_of
from evalkit.client.recording import Recording, to_exchange
from evalkit.client.types import ChatRequest, ErrorKind, Exchange, Target

if TYPE_CHECKING:
    from collections.abc import Callable

#: a kept connection older than this may be closed under us: uvicorn's default is 5 s
_MAX_IDLE_S = 2.0
#: how long the end of the body may lag behind `[DONE]`
_GRACE_S = 1.0
_QUIET_POLL_S = 0.02


class Connection(asyncio.Protocol):
    """One kept-alive connection; at most one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.idle_since = 0.0
        self.closed = False
        self._recording: Recording | None = None
        self._finished: asyncio.Future[None] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._now = 0
        self._started = 0.0
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._framed = False
        self._reusable = False
        self._header_bytes = 0
        #: bytes since the parser last had a whole head or a piece of the body, and how often it had
        self._pending_bytes = 0
        self._progress = 0
        self._sending = False

    # -- asyncio ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are of another class
        # every write goes out at once, or we hear when it has
        self.transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        self._now = now = time.monotonic_ns()
        recording, parser = self._recording, self._parser
        if recording is None or parser is None:
            self.abort()  # nobody asked: the connection is out of step
            return
        self._last = now / 1e9
        if recording.first_ns is None:
            recording.first_ns = now
        progress = self._progress
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail("protocol", f"not HTTP/1.1: {_cause(error)}")
        except httptools.HttpParserUpgrade:
            self._fail("protocol", "the server switched protocols")
        # the parser keeps a header, trailer or extension until its line ends: what never ends is counted here
        self._pending_bytes = self._pending_bytes + len(data) if self._progress == progress else 0
        if self._pending_bytes > recording.limits.max_header_bytes:
            self._fail("protocol", f"more than {recording.limits.max_header_bytes} bytes of response headers")

    def eof_received(self) -> bool:
        return False  # close

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        recording = self._recording
        if recording is None or self._finished is None or self._finished.done():
            return
        now = time.monotonic_ns()
        if recording.status is None:
            cause = f": {exc}" if exc else ""
            recording.fail("protocol", f"the connection closed before an answer{cause}")
        elif self._framed or exc is not None:
            recording.closed_early = True
            if not recording.done_seen and not _is_event_stream(recording):
                recording.fail("incomplete", "the connection closed before the reply's end")
        recording.end_ns = recording.end_ns or now
        self._reusable = False
        self._end()

    def pause_writing(self) -> None:
        self._sending = True

    def resume_writing(self) -> None:
        if self._sending and self._recording is not None and self._recording.first_ns is None:
            self._recording.written_ns = time.monotonic_ns()
        self._sending = False

    # -- httptools ---------------------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        recording = self._recording
        assert recording is not None
        self._header_bytes += len(name) + len(value)
        limits = recording.limits
        if len(recording.headers) >= limits.max_headers or self._header_bytes > limits.max_header_bytes:
            self._fail("protocol", "too many response headers")
            return
        recording.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        recording, parser = self._recording, self._parser
        assert recording is not None
        assert parser is not None
        status = parser.get_status_code()
        if status < 200:
            return
        self._progress += 1
        recording.status = status
        headers = recording.headers
        self._framed = "content-length" in headers or "chunked" in headers.get("transfer-encoding", "").lower()

    def on_body(self, body: bytes) -> None:
        recording = self._recording
        assert recording is not None
        self._progress += 1
        full = recording.add(body, self._now)
        if full:
            self._fail("protocol", full)
        elif recording.done_seen and recording.end_ns is None:
            recording.end_ns = self._now
            self._arm(_GRACE_S)

    def on_message_complete(self) -> None:
        recording, parser = self._recording, self._parser
        assert recording is not None
        assert parser is not None
        if recording.status is None:  # 100 or 103: the answer is still to come
            recording.headers.clear()
            return
        recording.end_ns = recording.end_ns or self._now
        self._reusable = self._framed and parser.should_keep_alive()
        self._end()

    # -- one request -------------------------------------------------------------------------------------------------

    async def exchange(self, request: bytes, recording: Recording) -> None:
        """Writes `request` and waits for the reply's end or a failure; both are in `recording`."""
        assert self.transport is not None
        loop = asyncio.get_running_loop()
        self._recording, self._finished = recording, loop.create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._framed = self._reusable = False
        self._header_bytes = self._pending_bytes = 0
        recording.written_at = datetime.now(UTC).isoformat(timespec="microseconds")
        # before the write: a process that is set aside right behind it finds the reply there already, and a time from
        # then on would be near zero. What is too long by a system call is so for every mode.
        recording.written_ns = time.monotonic_ns()
        self.transport.write(request)
        self._started = self._last = recording.written_ns / 1e9
        if self.closed:
            recording.fail("protocol", "the connection closed before an answer")
            return
        limits = recording.limits
        self._arm(min(limits.first_byte_s, limits.total_s))
        try:
            await self._finished
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._recording = self._parser = self._finished = None
            if not self._reusable:
                self.abort()

    @property
    def usable(self) -> bool:
        """Whether the next request may go over this connection."""
        alive = self._reusable and not self.closed and self.transport is not None and not self.transport.is_closing()
        return alive and time.monotonic() - self.idle_since < _MAX_IDLE_S

    def abort(self) -> None:
        self._reusable = False
        if self.transport is not None and not self.closed:
            self.transport.abort()

    def _arm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._check_deadlines)

    def _check_deadlines(self) -> None:
        recording = self._recording
        if recording is None:
            return
        if recording.done_seen:  # the reply is whole; only its framing is missing
            recording.closed_early = True
            self._end()
            return
        limits, now = recording.limits, time.monotonic()
        first = recording.first_ns is None
        quiet_limit = limits.first_byte_s if first else limits.idle_s
        quiet_left = self._last + quiet_limit - now
        total_left = self._started + limits.total_s - now
        if total_left <= 0:
            self._fail("timeout", f"no end of the reply within {limits.total_s:g} s")
        elif quiet_left <= 0:
            what = "no first byte" if first else "nothing more"
            self._fail("timeout", f"{what} within {quiet_limit:g} s")
        else:
            self._arm(min(quiet_left, total_left) + 0.001)

    def _fail(self, kind: ErrorKind, message: str) -> None:
        recording = self._recording
        if recording is not None:
            recording.fail(kind, message)
            recording.end_ns = recording.end_ns or time.monotonic_ns()
        self._reusable = False
        self._end()

    def _end(self) -> None:
        if self._finished is not None and not self._finished.done():
            self._finished.set_result(None)


def _cause(error: BaseException) -> str:
    return str(error.__context__ or error)


def _is_event_stream(recording: Recording) -> bool:
    return recording.headers.get("content-type", "").lower().startswith("text/event-stream")


class WireClient:
    """Implements `ChatClient`. Connections are kept alive per origin, newest first. Bound to one event loop."""

    transport = "wire"

    def __init__(self, *, ssl_context: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> None:
        self._pool: dict[Origin, list[Connection]] = {}
        self._busy: set[Connection] = set()
        self._make_ssl = ssl_context
        self._ssl: ssl.SSLContext | None = None
        self._turn = asyncio.Lock()

    async def chat(self, target: Target, request: ChatRequest, *, request_id: str | None = None) -> Exchange:
        """One chat completion. Failures are in the result; only cancellation and bad settings raise.

        Raises:
            UsageError: the address, the key or the request id cannot be sent over HTTP.
        """
        origin = origin_of(target.base_url)
        message = build_request(origin, target, request, request_id)
        recording = Recording(target.limits, streaming=request.stream, transport=self.transport)
        connection = await self._acquire(origin, recording)
        if connection is not None:
            self._busy.add(connection)
            try:
                await connection.exchange(message, recording)
            except BaseException:
                connection.abort()
                raise
            finally:
                self._release(origin, connection)
        if recording.is_heavy():
            await self._quiet(target.limits.total_s)
        return await to_exchange(recording, self._turn)

    async def _quiet(self, most_s: float) -> None:
        """Waits until no reply is being timed: what would hold their callbacks up is read afterwards."""
        until = time.monotonic() + most_s
        while self._busy and time.monotonic() < until:  # noqa: ASYNC110  an event would be set on the timed path
            await asyncio.sleep(_QUIET_POLL_S)

    async def aclose(self) -> None:
        """Closes every connection, those in use as well."""
        for connection in [*self._busy, *(c for kept in self._pool.values() for c in kept)]:
            connection.abort()
        self._pool.clear()
        await asyncio.sleep(0)

    async def _acquire(self, origin: Origin, recording: Recording) -> Connection | None:
        kept = self._pool.get(origin, [])
        while kept:
            connection = kept.pop()
            if connection.usable:
                recording.reused = True
                return connection
            connection.abort()
        loop = asyncio.get_running_loop()
        started = time.monotonic_ns()
        try:
            async with asyncio.timeout(recording.limits.connect_s):
                _, connection = await loop.create_connection(
                    Connection, origin.host, origin.port, ssl=self._context() if origin.tls else None
                )
        except TimeoutError:
            recording.fail("timeout", f"no connection within {recording.limits.connect_s:g} s")
            return None
        except (OSError, ssl.SSLError, UnicodeError) as error:
            recording.fail("refused", f"no connection to {origin.netloc}: {error}")
            return None
        recording.connected_ns = time.monotonic_ns() - started
        return connection

    def _release(self, origin: Origin, connection: Connection) -> None:
        self._busy.discard(connection)
        connection.idle_since = time.monotonic()
        if connection.usable:
            self._pool.setdefault(origin, []).append(connection)

    def _context(self) -> ssl.SSLContext:
        if self._ssl is None:
            self._ssl = self._make_ssl()
        return self._ssl


def build_request(origin: Origin, target: Target, request: ChatRequest, request_id: str | None = None) -> bytes:
    """The request's bytes, head and body in one piece."""
    body = json.dumps(request.body(target.model), ensure_ascii=False).encode("utf-8", "replace")
    lines = [
        f"POST {origin.path}{target.route} HTTP/1.1",
        f"Host: {origin.netloc}",
        f"User-Agent: evalkit/{__version__}",
        f"Accept: {'text/event-stream' if request.stream else 'application/json'}",
        "Accept-Encoding: identity",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    if request_id is not None:
        lines.append(f"X-Request-Id: {header_value(request_id, 'request id')}")
    lines += [f"{name}: {value}" for name, value in target.authorization.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
