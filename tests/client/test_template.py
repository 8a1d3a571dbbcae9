"""The short way of reading an event says what JSON says, or says nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.client.payload import BadReplyError
from evalkit.client.reply import Reply
from evalkit.client.template import Template


def event(text, tokens=5, finish=None, total=True, separators=(",", ":"), **delta):
    usage = None if tokens is None else {"prompt_tokens": 3, "completion_tokens": tokens, "details": None}
    if usage and total:
        usage["total_tokens"] = tokens + 3
    payload = {
        "id": "abc", "choices": [{"index": 0, "delta": {"role": None, "content": text, **delta}, "finish_reason": finish}],
        "usage": usage,
    }  # fmt: skip
    return json.dumps(payload, separators=separators, ensure_ascii=False).encode()


def outcome(events, *, short):
    """All that a reply takes from events; with `short` False every event is read as JSON."""
    reply = Reply()
    if not short:
        reply._forms = 10**9
    failed = None
    try:
        for place, data in enumerate(events):
            reply.event(data, place)
    except BadReplyError as error:
        failed = error.error
    return (
        failed, reply.text, reply.reasoning, reply.finish_reason, reply.prompt_tokens, reply.completion_tokens, reply.chunks,
        reply.first_visible_us, reply.last_visible_us, reply.empty_events, reply.events, reply.notes, reply.tool_calls,
    )  # fmt: skip


texts = st.text(max_size=12) | st.sampled_from(["", " ", "\n", '"', "\\", "\x7f", "é", "\x00", '"content":"x"', "}"])
counts = st.none() | st.integers(0, 40) | st.integers(0, 10**10)


@given(st.lists(st.tuples(texts, counts, st.booleans(), st.sampled_from([None, None, None, "stop"])), max_size=12))
def test_a_stream_reads_the_same_both_ways(rows):
    events = [event(text, tokens, finish, total) for text, tokens, total, finish in rows]
    assert outcome(events, short=True) == outcome(events, short=False)


@given(st.lists(texts, min_size=2, max_size=6), st.data())
def test_damage_anywhere_reads_the_same_both_ways(words, data):
    events = [event(text, i) for i, text in enumerate(words)]
    victim = data.draw(st.integers(0, len(events) - 1))
    at = data.draw(st.integers(0, len(events[victim])))
    cut = data.draw(st.integers(0, 4))
    events[victim] = events[victim][:at] + data.draw(st.binary(max_size=4)) + events[victim][at + cut :]
    assert outcome(events, short=True) == outcome(events, short=False)


@pytest.mark.parametrize(
    ("data", "text", "tokens"),
    [
        (event("a", reasoning_content="b", tokens=1), "a", 1),  # fine: the reasoning stays as it is
        (event("a", 4, separators=(", ", ": ")), "a", 4),
        (event("a", None), "a", None),
    ],
)
def test_the_form_of_an_event_reads_its_kind(data, text, tokens):
    form = Template.of(data, text, tokens)
    other = data.replace(b'"a"', '"zö"'.encode())
    assert form.read(other) == ("zö", tokens)


@pytest.mark.parametrize(
    "data",
    [
        event("a").replace(b'"id":"abc"', b'"content":"b"'),  # two texts
        event("a").replace(b'"content"', b'"c\\u006fntent"').replace(b'"abc"', b'{"content":"a"}'),  # a decoy
        event("a\\n"),
        event("a").replace(b'"details"', b'"completion_tokens"'),
        b'{"content":"a","choices":[],"usage":{"completion_tokens":5}}',
        b"not JSON",
    ],
)
def test_what_cannot_be_told_apart_has_no_form(data):
    assert Template.of(data, "a", 5) is None


@pytest.mark.parametrize(
    "change",
    [
        (b'"abc"', b'"abd"'), (b'"a"', b'""'), (b'"a"', b'"\\n"'), (b'"a"', b'"\x01"'), (b'"a"', b'"\xff"'),
        (b":5", b":05"), (b":5", b":-5"), (b":5", b":5.0"), (b":5", b":12345678901"), (b'"index":0', b'"index":1'),
        (b"}", b"} " ),
    ],
)  # fmt: skip
def test_an_event_of_another_form_is_left_to_json(change):
    assert Template.of(event("a"), "a", 5).read(event("a").replace(*change)) is None
