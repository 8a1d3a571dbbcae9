"""What arrived for one request, with its times, and how it becomes an `Exchange`.

The socket callback only appends bytes and a time; reading them happens here, after the last byte, in short steps so
that other streams' callbacks are not held up.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

from evalkit.client import sse
from evalkit.client.payload import BadReplyError, error_message, parse_json
from evalkit.client.reply import Reply, whole_text
from evalkit.client.types import ErrorKind, Exchange, ExchangeError, Note
from evalkit.limits import Limits
from evalkit.text import cut, one_line

#: events read between two turns of the event loop: about 0.3 ms
_STEP = 48
#: names under which a server may send the events of the answer itself
_NAMED = (b"message", b"error")
_ERROR_BODY = 65_536
#: 201 is what some gateways answer a POST with, stream and all
_WELL = (200, 201)
#: bytes of JSON in one piece that are read in about 2 ms
_HEAVY = 262_144
_KEPT_HEADERS = ("x-ratelimit-", "ratelimit-")


class Recording:
    """Bytes and times of one reply: `body[:marks[i]]` had arrived at `stamps[i]`."""

    __slots__ = (
        "body", "closed_early", "connected_ns", "done_seen", "end_ns", "failure", "first_ns", "headers", "limits",
        "marks", "reused", "stamps", "status", "streaming", "transport", "via", "written_at", "written_ns",
    )  # fmt: skip

    def __init__(self, limits: Limits, *, streaming: bool, transport: str) -> None:
        self.limits = limits
        self.streaming = streaming
        self.transport = transport
        self.body = bytearray()
        self.marks = array("q")
        self.stamps = array("q")
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.written_ns = 0
        self.written_at: str | None = None
        self.first_ns: int | None = None
        self.end_ns: int | None = None
        self.done_seen = False
        self.closed_early = False
        self.connected_ns: int | None = None
        self.reused = False
        #: the proxy by way of which it came, in words
        self.via: str | None = None
        self.failure: tuple[ErrorKind, str] | None = None

    def add(self, data: bytes, now_ns: int) -> str | None:
        """Keeps body bytes; why no more can be taken, or None."""
        body, marks, stamps = self.body, self.marks, self.stamps
        body += data
        size = len(body)
        if stamps and stamps[-1] == now_ns:
            marks[-1] = size
        else:
            marks.append(size)
            stamps.append(now_ns)
        if size > self.limits.max_bytes:
            return f"the reply is larger than {self.limits.max_bytes} bytes"
        if len(marks) > 2 * self.limits.max_events:
            return f"the reply came in more than {2 * self.limits.max_events} pieces"
        if not self.done_seen and sse.ends_with_done(body):
            self.done_seen = True
        return None

    def is_heavy(self) -> bool:
        """Whether reading it holds the loop up: one piece of JSON in it is long, and that cannot be read in steps."""
        body, at, size = self.body, 0, len(self.body)
        if size < _HEAVY or not _is_stream_kind(self.headers):
            return size >= _HEAVY
        while at + _HEAVY <= size:
            end = body.rfind(b"\n", at, at + _HEAVY)
            if end < 0:
                return True
            at = end + 1
        return False

    def fail(self, kind: ErrorKind, message: str) -> None:
        """The first failure counts."""
        if self.failure is None:
            self.failure = (kind, message)

    def us(self, ns: int | None) -> int | None:
        return None if ns is None else max(0, (ns - self.written_ns) // 1000)

    def arrival(self) -> Callable[[int], int]:
        """When the byte before an offset arrived, µs from writing. The offsets asked for must not fall."""
        marks, stamps, written, last = self.marks, self.stamps, self.written_ns, len(self.marks) - 1
        index = 0

        def at(end: int) -> int:
            nonlocal index
            while index < last and marks[index] < end:
                index += 1
            return max(0, (stamps[index] - written) // 1000)

        return at


async def to_exchange(recording: Recording, turn: asyncio.Lock) -> Exchange:
    """Reads a recording. Never raises for what the server sent.

    Streams that share a client share its `turn`: when many end together, one at a time is read, so that between two
    looks at the sockets there is one short step and not one for each of them.
    """
    reply = Reply(max_depth=recording.limits.max_depth)
    error: ExchangeError | None = None
    done_us: int | None = None
    try:
        _check_head(recording)
        if _is_stream(recording):
            async with turn:
                await asyncio.sleep(0)  # while this one holds the turn, the others wait and the sockets are served
                done_us = await _read_stream(recording, reply)
            _check_stream(recording, reply)
        elif recording.failure is None:
            reply.whole(recording.body, recording.us(recording.end_ns) or 0)
            if recording.streaming:
                reply.note(Note.UNSTREAMED)
            done_us = recording.us(recording.end_ns)
    except BadReplyError as bad:
        error = bad.error
    if recording.failure is not None and (error is None or error.kind in ("incomplete", "empty")):
        kind, message = recording.failure
        error = ExchangeError(kind=kind, message=one_line(message), status=recording.status)
    return _exchange(recording, reply, error, done_us)


def _check_head(recording: Recording) -> None:
    status, headers = recording.status, recording.headers
    if status is None:
        kind, message = recording.failure or ("protocol", "the connection closed before an answer")
        raise BadReplyError(kind, message)
    if status not in _WELL:
        bad = BadReplyError("http", _http_message(recording), status)
        bad.error = bad.error.model_copy(update={"retry_after_s": retry_after_s(headers.get("retry-after"))})
        raise bad
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise BadReplyError("protocol", f"the reply is compressed ({encoding}) although identity was asked for")


def _kind(headers: dict[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_stream_kind(headers: dict[str, str]) -> bool:
    return _kind(headers) == "text/event-stream"


def _is_stream(recording: Recording) -> bool:
    kind = _kind(recording.headers)
    if _is_stream_kind(recording.headers):
        return True
    if kind in ("", "text/plain", "application/octet-stream"):
        return recording.streaming and recording.body.lstrip()[:1] != b"{"
    if kind.endswith("json") and kind != "application/x-ndjson":
        return False
    raise BadReplyError("protocol", f"the reply is {kind}, neither an event stream nor JSON")


async def _read_stream(recording: Recording, reply: Reply) -> int | None:
    """Feeds the events to `reply`; the time of `[DONE]` in µs."""
    limits, arrival = recording.limits, recording.arrival()
    longest, most, count = limits.max_line_bytes, limits.max_events, 0
    for data, end, name, complete in sse.iter_events(recording.body):
        count += 1
        if not count % _STEP:
            await asyncio.sleep(0)
        if count > most:
            raise BadReplyError("protocol", f"more than {most} events")
        if len(data) > longest:
            raise BadReplyError("protocol", f"an event is larger than {longest} bytes")
        at_us = arrival(end)
        if data == sse.DONE:
            return at_us
        if name and name not in _NAMED:
            continue  # named side channels, such as SGLang's ids
        if not complete and not data.rstrip().endswith(b"}"):
            reply.note(Note.CUT)
            break
        reply.event(data, at_us)
    return None


def _check_stream(recording: Recording, reply: Reply) -> None:
    if reply.events == 0:
        raise BadReplyError("empty", "the stream ended without a single event", recording.status)
    reply.settle()
    # a gateway may write [DONE] behind a stream that was cut
    if reply.finish_reason is None and not (reply.blank_end and reply.closed and recording.done_seen):
        raise BadReplyError("incomplete", "the stream ended without a finish reason", recording.status)
    if reply.finish_reason is None:
        reply.note(Note.NO_FINISH)
    if not recording.done_seen:
        reply.note(Note.NO_DONE)
    if recording.closed_early:
        reply.note(Note.CLOSED)
    counts = [tokens for _, tokens in reply.chunks if tokens is not None]
    if counts and reply.completion_tokens is not None and counts[-1] > reply.completion_tokens:
        reply.note(Note.CONTRADICTS)
    times = [at for at, _ in reply.chunks]
    together = sum(a == b for a, b in pairwise(times))
    if len(times) >= 4 and together * 5 > len(times):
        reply.note(Note.COALESCED, f"{together} of {len(times)} chunks arrived together with the one before")


def _exchange(recording: Recording, reply: Reply, error: ExchangeError | None, done_us: int | None) -> Exchange:
    times = [at for at, _ in reply.chunks]
    return Exchange(
        ok=error is None,
        error=error,
        status=recording.status,
        text=whole_text(reply.text),
        reasoning=whole_text(reply.reasoning),
        tool_calls=reply.tool_calls,
        finish_reason=reply.finish_reason,
        models=tuple(reply.models),
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        cached_tokens=reply.cached_tokens,
        first_byte_us=recording.us(recording.first_ns),
        first_chunk_us=times[0] if times else None,
        first_visible_us=reply.first_visible_us,
        last_chunk_us=times[-1] if times else None,
        last_visible_us=reply.last_visible_us,
        done_us=done_us if done_us is not None else recording.us(recording.end_ns),
        chunks=tuple(reply.chunks),
        empty_events=reply.empty_events,
        connected_us=None if recording.connected_ns is None else recording.connected_ns // 1000,
        reused_connection=recording.reused,
        written_at=recording.written_at,
        written_ns=recording.written_ns or None,
        leads=tuple(reply.leads),
        server={**_server_headers(recording.headers), **reply.server},
        transport=recording.transport,
        notes=reply.notes,
    )


def _http_message(recording: Recording) -> str:
    status = recording.status
    if status is not None and 300 <= status < 400:
        where = recording.headers.get("location", "an unnamed place")
        return f"HTTP {status}: redirect to {where} not followed"
    body = bytes(recording.body[:_ERROR_BODY])
    try:
        found = error_message(parse_json(body))
    except BadReplyError:
        found = None
    text = cut(found[0] if found else body.decode("utf-8", "replace"), 300)
    said = f"HTTP {status} by way of {recording.via}" if recording.via else f"HTTP {status}"
    return f"{said}: {text}" if text.strip() else said


def retry_after_s(value: str | None) -> float | None:
    """Seconds of a Retry-After header (a number, or a date); None when absent or senseless."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(seconds, 86_400.0) if seconds >= 0 else None


def _server_headers(headers: dict[str, str]) -> dict[str, Any]:
    kept = {k: one_line(v, limit=120) for k, v in headers.items() if k.startswith(_KEPT_HEADERS)}
    if (took := headers.get("openai-processing-ms", "")).isdigit():
        kept["openai-processing-ms"] = took[:12]
    return dict(list(kept.items())[:32])
