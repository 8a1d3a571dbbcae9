"""The client of timed requests against servers that behave and servers that do not, on real sockets."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import subprocess
import time
from dataclasses import replace

import pytest

from evalkit.client import run
from evalkit.client.fallback import ProxyClient
from evalkit.client.reply import Reply
from evalkit.client.types import Exchange, Limits, Note
from evalkit.client.wire import Connection, WireClient
from evalkit.errors import UsageError
from evalkit.secrets import Secret
from tests.client.rawserver import ASK, FAST, HEAD, LAST, chunk, event, good, serving, stream, target

CLIENTS = [WireClient, ProxyClient]


def ask(script, *, client=WireClient, request=ASK, **kw):
    async def main():
        async with serving(script) as server:
            chat = client()
            try:
                return await chat.chat(target(server.url, **kw), request), server
            finally:
                await chat.aclose()

    return run(main())


@pytest.mark.parametrize("client", CLIENTS)
def test_a_stream_becomes_text_counts_and_ordered_times(client):
    got, _ = ask(good(), client=client)
    assert got.ok, got.error
    assert (got.text, got.finish_reason, got.completion_tokens, got.prompt_tokens) == ("Hello", "stop", 3, 5)
    assert [tokens for _, tokens in got.chunks] == [1, 2]
    assert 0 <= got.first_byte_us <= got.first_chunk_us <= got.first_visible_us <= got.last_chunk_us <= got.done_us
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


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([event("a", usage=1), event("a", usage=1)], "a chunk came twice"),
        ([event("a", usage=1), event("c", usage=3), event("b", usage=2)], "out of order"),
    ],
)
def test_a_text_that_came_twice_or_out_of_order_is_no_reply(events, message):
    got, _ = ask(stream(*events, event(finish="stop")))
    assert (got.ok, got.error.kind) == (False, "protocol")
    assert message in got.error.message


def test_the_same_text_twice_with_growing_usage_is_no_repeat():
    got, _ = ask(stream(event("ha", usage=1), event("ha", usage=2), event(finish="stop")))
    assert got.text == "haha"
    assert not got.notes


def test_done_inside_an_answer_does_not_end_it():
    got, _ = ask(
        [
            HEAD,
            chunk(b'data: {"choices":[{"delta":{"content":"[DONE]'),
            0.05,
            chunk(b'\\n\\n"}}]}\n\n'),
            chunk(event("x", usage=2, finish="stop")),
            chunk(b"data: [DONE]\n\n"),
            LAST,
        ]
    )
    assert got.text == "[DONE]\n\nx"


def test_a_body_that_stays_open_after_done_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("evalkit.client.wire._GRACE_S", 0.1)
    got, _ = ask([HEAD, chunk(event("a", usage=1, finish="stop")), chunk(b"data: [DONE]\n\n"), "hang"])
    assert got.ok
    assert got.done_us < 100_000
    assert "the connection closed before the body's end" in got.notes


def test_a_stream_that_ends_with_the_connection():
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    got, _ = ask([head, event("a", usage=1, finish="stop"), b"data: [DONE]\n\n", "close"])
    assert (got.ok, got.notes) == (True, ())


def test_interim_responses_are_passed_over():
    got, _ = ask([b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", *good()])
    assert (got.ok, got.text) == (True, "Hello")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_reply_that_is_not_streamed(client):
    body = b'{"choices":[{"message":{"content":"Hi","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":3}}}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    got, server = ask([head, body], request=replace(ASK, stream=False), client=client)
    assert (got.ok, got.text, got.completion_tokens, got.cached_tokens) == (True, "Hi", 2, 3)
    assert got.tool_calls[0].name == "f"
    assert got.chunks == ()
    assert got.first_chunk_us is None
    assert got.e2e_us > 0
    assert "stream_options" not in server.requests[0][1]


def test_the_text_of_a_server_is_harmless_in_messages_and_raw_in_replies():
    got, _ = ask(stream(b'data: {"error":{"message":"\\u001b[31mred sk-abcdefgh12345"}}\n\n'))
    assert "\x1b" not in got.error.message
    assert "abcdefgh" not in got.error.message
    got, _ = ask(stream(event("\x1b[31mred", usage=1, finish="stop")))
    assert got.text == "\x1b[31mred"


def test_half_a_surrogate_pair_does_not_break_the_journal():
    got, _ = ask(
        stream(
            b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n',
            b'data: {"choices":[{"delta":{"content":"\\ude00 \\ud83d"},"finish_reason":"stop"}]}\n\n',
        )
    )
    assert got.text == "\U0001f600 �"
    assert got.model_dump_json()


def test_cancelling_closes_the_connection():
    async def main():
        async with serving([HEAD, "hang"]) as server:
            chat = WireClient()
            task = asyncio.create_task(chat.chat(target(server.url), ASK))
            while not server.requests:  # noqa: ASYNC110  the server is told nothing
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(server.closed.wait(), 2)
            await chat.aclose()

    run(main())


def test_a_large_request_is_timed_from_its_last_byte():
    big = replace(ASK, messages=({"role": "user", "content": "x" * 8_000_000},))
    got, server = ask(good(), request=big)
    assert got.ok
    assert len(server.requests[0][1]["messages"][0]["content"]) == 8_000_000


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://user:pw@host", "http://h:99999", "nonsense"])
def test_an_address_that_cannot_be_used_is_the_users_error(url):
    with pytest.raises(UsageError):
        run(WireClient().chat(target(url), ASK))


def test_a_key_with_a_line_break_is_never_sent_or_shown():
    with pytest.raises(UsageError) as caught:
        run(WireClient().chat(target("http://127.0.0.1:1", api_key=Secret("abc\r\nX-Evil: 1")), ASK))
    assert "Evil" not in str(caught.value)


def test_tls(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=False, capture_output=True,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl is not here")
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(cert, key)

    async def main():
        async with serving(good(), tls=inside) as server:
            trusting = WireClient(ssl_context=lambda: ssl.create_default_context(cafile=cert))
            got = [await trusting.chat(target(server.url), ASK) for _ in range(2)]
            await trusting.aclose()
            wary = WireClient()
            refused = await wary.chat(target(server.url), ASK)
            await wary.aclose()
            return got, refused

    got, refused = run(main())
    assert [(g.ok, g.text) for g in got] == [(True, "Hello")] * 2
    assert got[1].reused_connection
    assert refused.error.kind == "refused"


def test_plain_asyncio_works_too():
    async def main():
        async with serving(good()) as server:
            chat = WireClient()
            got = await chat.chat(target(server.url), ASK)
            await chat.aclose()
            return got

    assert asyncio.run(main()).text == "Hello"


@pytest.mark.parametrize("kind", ["one long event", "one long body"])
def test_what_holds_the_loop_up_is_read_when_no_stream_is_timed(kind):
    """A reply in one long piece arrives while another stream runs, and is read after that one's end."""
    text = "-" * 400_000
    whole = b'{"choices":[{"message":{"content":"%b"},"finish_reason":"stop"}]}' % text.encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(whole)
    heavy = stream(event(text), event(finish="stop")) if kind == "one long event" else [head, whole]
    slow = [HEAD, *(step for n in range(12) for step in (chunk(event(f"w{n} ")), 0.03)), chunk(event(finish="stop")),
            chunk(b"data: [DONE]\n\n"), LAST]  # fmt: skip
    order = []

    async def main():
        async with serving(heavy) as one, serving(slow) as two:
            client = WireClient()

            async def ask_one(name, url):
                got = await client.chat(target(url), ASK)
                order.append(name)
                return got

            got = await asyncio.gather(ask_one("slow", two.url), ask_one("heavy", one.url))
            alone = await client.chat(target(one.url), ASK)
            await client.aclose()
            return *got, alone

    slow_reply, heavy_reply, alone = run(main())
    assert order == ["slow", "heavy"]
    assert slow_reply.ok
    assert heavy_reply.text == alone.text == text
    assert heavy_reply.done_us < slow_reply.done_us


@pytest.mark.parametrize("place", ["header", "trailer", "extension", "interim"])
def test_a_head_that_never_ends_is_counted_from_its_first_byte(place):
    start = {
        "header": b"HTTP/1.1 200 OK\r\nX-A: ",
        "trailer": HEAD + chunk(event("x")) + b"0\r\nX-A: ",
        "extension": HEAD + b"5;",
        "interim": b"",
    }[place]
    more = b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" * 600 if place == "interim" else b"a" * 16_384
    sent = []

    def script(_):
        def steps():
            yield start
            for _ in range(2000):
                sent.append(len(more))
                yield more

        return steps()

    got, _ = ask(script)
    assert not got.ok
    assert got.error.kind == "protocol"
    assert "header" in got.error.message
    assert sum(sent) < 8_000_000


def test_a_long_stream_of_small_chunks_is_no_endless_head():
    got, _ = ask(stream(*(event("x" * 40) for _ in range(5000)), event(finish="stop")))
    assert got.ok
    assert len(got.text) == 200_000


def test_every_note_is_read_back_with_its_detail_and_how_often_it_was_made():
    reply = Reply()
    for note in Note:
        reply.note(note, "9 of 10 chunks" if note is Note.COALESCED else "")
        if note is Note.BACKWARDS:
            reply.note(note)
    got = Exchange(ok=True, notes=(*reply.notes, "a note of another version"))
    assert got.noted == frozenset(Note)
