"""The event parser against its specification and against itself."""

from __future__ import annotations

import asyncio
import json

from hypothesis import given
from hypothesis import strategies as st

from evalkit.client.recording import Recording, to_exchange
from evalkit.client.sse import ends_with_done, iter_events
from evalkit.client.types import Limits

lines = st.sampled_from(
    [
        b"data: a",
        b"data:b",
        b"data",
        b"data: ",
        b": comment",
        b"event: x",
        b"id: 1",
        b"retry: 5",
        b"",
        b"",
        b"junk",
        b"data: \xff",
    ]
)


def parse(raw):
    return [(e.name, e.data, e.complete) for e in iter_events(raw)]


def test_the_specifications_forms():
    assert parse(b"data: one\n\n") == [(b"", b"one", True)]
    assert parse(b"data: one\r\ndata: two\r\n\r\n") == [(b"", b"one\ntwo", True)]
    assert parse(b"\xef\xbb\xbfdata:one\r\r") == [(b"", b"one", True)]
    assert parse(b": hi\n\nevent: error\ndata: x\n\n") == [(b"error", b"x", True)]
    assert parse(b"event: x\n\ndata: y\n\n") == [(b"", b"y", True)]
    assert parse(b"data: [DONE]") == [(b"", b"[DONE]", False)]
    assert parse(b"") == []


@given(st.lists(lines, max_size=30))
def test_line_ends_do_not_matter(parts):
    texts = [end.join([*parts, b"", b""]) for end in (b"\n", b"\r\n", b"\r")]
    assert parse(texts[0]) == parse(texts[1]) == parse(texts[2])


@given(st.lists(lines, max_size=30))
def test_an_event_ends_behind_its_last_byte(parts):
    raw = b"\n".join([*parts, b"", b""])
    for event in iter_events(raw):
        assert event.data in [e.data for e in iter_events(raw[: event.end])]
        if event.complete:
            assert raw[: event.end].endswith(b"\n\n")


def test_done_is_only_done_on_a_line_of_its_own():
    assert ends_with_done(bytearray(b"data: {}\n\ndata: [DONE]\n\n"))
    assert ends_with_done(bytearray(b"data: [DONE]\r\n\r\n"))
    assert not ends_with_done(bytearray(b'data: {"content":"[DONE]'))
    assert not ends_with_done(bytearray(b'data: {"content":"data: [DONE]'))


value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "content",
                    "delta",
                    "message",
                    "index",
                    "function",
                    "name",
                    "arguments",
                    "tool_calls",
                    "usage",
                    "completion_tokens",
                    "finish_reason",
                    "error",
                    "choices",
                    "x",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["choices", "usage", "error", "object", "meta_info", "detail"]), value, max_size=4
        )
        | value
        | st.binary(max_size=20),
        max_size=8,
    ),
    st.booleans(),
)
def test_no_server_text_can_make_the_reader_raise(payloads, streaming):
    recording = Recording(Limits(), streaming=streaming, transport="wire")
    recording.status = 200
    recording.headers = {"content-type": "text/event-stream" if streaming else "application/json"}
    for i, payload in enumerate(payloads):
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        recording.add(b"data: " + data + b"\n\n" if streaming else data, 1000 * i)
    recording.end_ns = 10**6
    got = asyncio.run(to_exchange(recording, asyncio.Lock()))
    assert got.ok == (got.error is None)
    assert got.model_dump_json()


def test_streams_that_end_together_are_read_one_at_a_time_so_that_the_sockets_get_their_turn():
    event = json.dumps({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}).encode()

    def ended():
        recording = Recording(Limits(), streaming=True, transport="wire")
        recording.status, recording.headers = 200, {"content-type": "text/event-stream"}
        recording.add(b"data: " + event + b"\n\n" + b"data: [DONE]\n\n", 1000)
        return recording

    async def turns(recordings):
        lock, count = asyncio.Lock(), 0
        reading = asyncio.gather(*(to_exchange(one, lock) for one in recordings))
        while not reading.done():
            await asyncio.sleep(0)
            count += 1
        assert all(exchange.ok for exchange in await reading)
        return count

    assert asyncio.run(turns([ended() for _ in range(30)])) >= 30
