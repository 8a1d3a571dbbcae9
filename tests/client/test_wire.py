"""The client of timed requests against servers that behave and servers that do not, on real sockets."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from dataclasses import replace

import pytest

from evalkit.client import run
from evalkit.client.fallback import ProxyClient
from evalkit.client.types import Limits
from evalkit.client.wire import Connection, WireClient
from evalkit.secrets import Secret
from tests.client.rawserver import ASK, FAST, HEAD, LAST, chunk, event, good, serving, stream, target
from tests.client.wire_cases import CLIENTS, ask


@pytest.mark.parametrize("client", CLIENTS)
def test_a_stream_becomes_text_counts_and_ordered_times(client):
    got, _ = ask(good(), client=client)
    assert got.ok, got.error
    assert (got.text, got.finish_reason, got.completion_tokens, got.prompt_tokens) == ("Hello", "stop", 3, 5)
    assert [tokens for _, tokens in got.chunks] == [1, 2]
    assert 0 <= got.first_byte_us <= got.first_chunk_us <= got.first_visible_us <= got.last_visible_us <= got.done_us
    assert got.last_visible_us == got.last_chunk_us
    assert got.e2e_us == got.done_us
    assert got.transport == client.transport


def test_a_process_that_is_set_aside_behind_its_write_makes_no_reply_look_quicker(monkeypatch):
    made = Connection.connection_made

    def slow(self, transport):
        made(self, transport)
        self.transport = Late(transport)

    class Late:
        """A transport whose writer comes back late."""

        def __init__(self, inner):
            self._inner = inner

        def write(self, data):
            self._inner.write(data)
            time.sleep(0.03)

        def __getattr__(self, name):
            return getattr(self._inner, name)

    monkeypatch.setattr(Connection, "connection_made", slow)
    got, _ = ask(good())
    assert got.ok, got.error
    assert got.e2e_us >= 30_000
    assert got.first_chunk_us >= 30_000


@pytest.mark.parametrize("client", CLIENTS)
def test_times_follow_the_servers_pauses(client):
    script = [
        HEAD,
        0.15,
        chunk(event("a", usage=1)),
        0.1,
        chunk(event("b", usage=2, finish="stop")),
        chunk(b"data: [DONE]\n\n"),
        LAST,
    ]
    got, _ = ask(script, client=client)
    assert got.first_chunk_us >= 148_000
    assert got.chunks[1][0] - got.chunks[0][0] >= 98_000


def test_the_request_asks_for_identity_and_names_the_key_once():
    _, server = ask(good(), api_key=Secret("sk-private-value"))
    headers, body = server.requests[0]
    assert headers["accept-encoding"] == "identity"
    assert headers["authorization"] == "Bearer sk-private-value"
    assert headers[":line"] == "POST /v1/chat/completions HTTP/1.1"
    assert body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}


def test_split_at_every_byte_reads_the_same():
    """However the network cuts the bytes, the reply is the same."""
    payload = b"".join(s for s in good() if isinstance(s, bytes)).replace(b"0\r\n\r\n", b"0\r\nx-trailer: 1\r\n\r\n")

    async def main():
        cuts = iter(range(1, len(payload)))

        def script(index):
            cut = next(cuts)
            return [payload[:cut], 0.0, payload[cut:]]

        replies = []
        async with serving(script) as server:
            chat = WireClient()
            for _ in range(len(payload) - 1):
                replies.append(await chat.chat(target(server.url), ASK))  # noqa: PERF401  one after the other
            await chat.aclose()
        return replies, server

    replies, server = run(main())
    assert {(r.ok, r.text, r.completion_tokens, r.finish_reason, r.notes) for r in replies} == {
        (True, "Hello", 3, "stop", ())
    }
    assert server.connections == 1, "the connection was kept"


def test_byte_by_byte_reads_the_same():
    payload = b"".join(s for s in good() if isinstance(s, bytes))
    got, _ = ask(list(itertools.chain.from_iterable((payload[i : i + 1], 0.0) for i in range(len(payload)))))
    assert (got.ok, got.text, got.completion_tokens) == (True, "Hello", 3)


def test_connections_are_kept_and_replaced_when_the_server_closes_them():
    async def main():
        async with serving(lambda i: [*good(), "close"] if i == 1 else good()) as server:
            chat = WireClient()
            replies = []
            for _ in range(4):
                replies.append(await chat.chat(target(server.url), ASK))
                await asyncio.sleep(0.02)
            await chat.aclose()
            return replies, server

    replies, server = run(main())
    assert all(r.ok for r in replies)
    assert [r.reused_connection for r in replies] == [False, True, False, True]
    assert server.connections == 2
    assert replies[0].connected_us > 0


def test_a_stale_connection_is_not_trusted(monkeypatch):
    monkeypatch.setattr("evalkit.client.wire._MAX_IDLE_S", 0.0)

    async def main():
        async with serving(good()) as server:
            chat = WireClient()
            for _ in range(2):
                assert (await chat.chat(target(server.url), ASK)).ok
            await chat.aclose()
            return server.connections

    assert run(main()) == 2


BAD = {
    "empty": ([HEAD, LAST], "empty", "without a single event"),
    "only done": (stream(), "empty", "without a single event"),
    "stops mid event": ([HEAD, chunk(event("a", usage=1)), chunk(event("b")[:20]), LAST], "incomplete", "finish reason"),
    "no finish": (stream(event("a", usage=1)), "incomplete", "finish reason"),
    "closes mid stream": ([HEAD, chunk(event("a", usage=1)), "close"], "incomplete", "finish reason"),
    "reset mid stream": ([HEAD, chunk(event("a", usage=1)), 0.05, "reset"], "incomplete", "finish reason"),
    "reset at once": (["reset"], "protocol", "before an answer"),
    "close at once": (["close"], "protocol", "before an answer"),
    "not http": ([b"hello there\r\n\r\n"], "protocol", "not HTTP"),
    "http 2 preface": ([b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"], "protocol", "not HTTP"),
    "broken chunk size": ([HEAD, b"zz\r\n"], "protocol", "not HTTP"),
    "not json": (stream(b"data: {nope}\n\n"), "protocol", "not JSON"),
    "json list": (stream(b"data: [1]\n\n"), "protocol", "list"),
    "deep json": (stream(b"data: " + b"[" * 100_000 + b"\n\n"), "protocol", "not JSON"),
    "huge number": (stream(b'data: {"a": ' + b"9" * 6000 + b"}\n\n"), "protocol", "not JSON"),
    "bad utf-8": (stream(b'data: {"a": "\xff"}\n\n'), "protocol", "not JSON"),
    "in-stream error": (stream(event("a", usage=1), b'data: {"error":{"message":"queue is full","code":503}}\n\n'), "stream-error", "queue is full"),
    "flat error": (stream(b'data: {"object":"error","message":"too long","code":400}\n\n'), "stream-error", "too long"),
    "abort": (stream(event("a", usage=1), event(finish="abort")), "aborted", "abort"),
    "busy": ([b'HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\ncontent-length: 17\r\n\r\n{"error": "later"}'[:-1]], "http", "later"),
    "redirect": ([b"HTTP/1.1 307 Moved\r\nlocation: http://evil.example/\r\ncontent-length: 0\r\n\r\n"], "http", "not followed"),
    "html": ([b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\n<p>hi"], "protocol", "text/html"),
    "gzip": ([HEAD.replace(b"transfer", b"content-encoding: gzip\r\ntransfer"), chunk(b"\x1f\x8b"), LAST], "protocol", "compressed"),
    "upgrade": ([b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"], "protocol", "protocol"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_a_bad_server_does_becomes_an_error_of_its_kind(name):
    script, kind, words = BAD[name]
    got, _ = ask(script)
    assert not got.ok
    assert got.error.kind == kind, got.error
    assert words in got.error.message
    assert got.e2e_us is None


@pytest.mark.parametrize(
    "name",
    ["empty", "no finish", "in-stream error", "abort", "busy", "redirect", "html", "not json", "close at once", "gzip"],
)
def test_the_fallback_names_the_same_kinds(name):
    script, kind, _ = BAD[name]
    got, _ = ask(script, client=ProxyClient)
    assert (got.ok, got.error.kind) == (False, kind), got.error


def test_a_busy_server_says_when_to_come_back():
    got, _ = ask([b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n"])
    assert (got.error.status, got.error.retry_after_s) == (503, 7.0)
    got, _ = ask([b"HTTP/1.1 503 Busy\r\nretry-after: Wed, 21 Oct 2099 07:28:00 GMT\r\ncontent-length: 0\r\n\r\n"])
    assert got.error.retry_after_s == 86_400
    got, _ = ask([b"HTTP/1.1 503 Busy\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n"])
    assert got.error.retry_after_s is None


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("script", "limits", "words"),
    [
        (["hang"], Limits(connect_s=0.2, first_byte_s=0.2), "0.2 s"),
        ([HEAD, chunk(event("a", usage=1)), "hang"], Limits(first_byte_s=0.2, idle_s=0.2), "0.2 s"),
        ([HEAD, *([chunk(b": drip\n"), 0.05] * 100)], Limits(total_s=0.4), "0.4 s"),
    ],
)
def test_deadlines_end_a_request(script, limits, words, client):
    if client is ProxyClient:
        words = ""
    started = time.monotonic()
    got, _ = ask(script, limits=limits, client=client)
    assert time.monotonic() - started < 3
    assert got.error.kind == "timeout"
    assert words in got.error.message


def test_a_server_without_an_end_is_cut_at_the_cap():
    flood = [HEAD, *[chunk(b": " + b"x" * 65_000 + b"\n")] * 64]
    got, _ = ask(flood, limits=replace(FAST, max_bytes=1_000_000))
    assert got.error.kind == "protocol"
    assert "larger than 1000000" in got.error.message


def test_too_many_events_and_too_long_a_line_are_refused():
    got, _ = ask(stream(*[event("a", usage=i) for i in range(30)]), limits=replace(FAST, max_events=20))
    assert (got.error.kind, "20 events" in got.error.message) == ("protocol", True)
    got, _ = ask(stream(event("a" * 3000, usage=1)), limits=replace(FAST, max_line_bytes=2000))
    assert (got.error.kind, "2000 bytes" in got.error.message) == ("protocol", True)


def test_too_many_headers_are_refused():
    got, _ = ask([b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: 1\r\n" % i for i in range(400)) + b"\r\n"])
    assert got.error.kind == "protocol"


def test_nobody_listens():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{s.getsockname()[1]}"
    for client in CLIENTS:

        async def main(client=client):
            chat = client()
            got = await chat.chat(target(url), ASK)
            await chat.aclose()
            return got

        assert run(main()).error.kind == "refused"


@pytest.mark.parametrize(
    ("events", "done", "note"),
    [
        ([event("a", usage=1), event(finish="stop", usage=1)], False, "no [DONE]"),
        ([event("a", usage=3), event(usage=2, finish="stop")], True, "usage went backwards"),
        ([event("a", usage=9), event(finish="stop"), b'data: {"choices":[],"usage":{"completion_tokens":4}}\n\n'], True, "usage contradicts the chunks"),
        ([event("a", usage=0), event("b", usage=0, finish="stop")], True, "usage counts no token although text arrived"),
    ],
)  # fmt: skip
def test_oddities_are_noted_and_the_reply_is_kept(events, done, note):
    got, _ = ask(stream(*events, done=done))
    assert got.ok
    assert note in got.notes
