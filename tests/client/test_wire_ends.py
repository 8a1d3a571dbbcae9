from __future__ import annotations

import asyncio
import ssl
import subprocess
from dataclasses import replace

import pytest

from evalkit.client import run
from evalkit.client.reply import Reply
from evalkit.client.types import Exchange, Note
from evalkit.client.wire import WireClient
from evalkit.errors import UsageError
from evalkit.secrets import Secret
from tests.client.rawserver import ASK, HEAD, LAST, chunk, event, good, serving, stream, target
from tests.client.wire_cases import CLIENTS, ask


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
    order, begun = [], asyncio.Event()

    def slow(_):
        begun.set()
        yield HEAD
        for n in range(12):
            yield chunk(event(f"w{n} "))
            yield 0.03
        yield chunk(event(finish="stop"))
        order.append("the end of the slow one is sent")
        yield chunk(b"data: [DONE]\n\n") + LAST

    async def main():
        async with serving(heavy) as one, serving(slow) as two:
            client = WireClient()

            async def ask_heavy():
                await begun.wait()
                got = await client.chat(target(one.url), ASK)
                order.append("the heavy one is read")
                return got

            got = await asyncio.gather(client.chat(target(two.url), ASK), ask_heavy())
            alone = await client.chat(target(one.url), ASK)
            await client.aclose()
            return *got, alone

    slow_reply, heavy_reply, alone = run(main())
    assert order == ["the end of the slow one is sent", "the heavy one is read"]
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
