"""Tool calls out of deltas, whatever a server does with their indices and ids."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.client.calls import Calls
from evalkit.client.reply import Reply

A, B = '{"path": "a.py"}', '{"path": "b.py"}'


def delta(index, identity, name, arguments):
    found = {"function": {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}}
    return found | ({} if index is None else {"index": index}) | ({} if identity is None else {"id": identity})


def read(*chunks):
    calls = Calls()
    for one in chunks:
        calls.add(one)
    return [(name, "".join(arguments)) for name, arguments in calls.finished()]


TWO = [("w", A), ("w", B)]


@pytest.mark.parametrize(
    "chunks",
    [
        [[delta(0, "x", "w", A)], [delta(1, "y", "w", B)]],
        [[delta(0, "x", "w", A), delta(1, "y", "w", B)]],
        [[delta(0, "x", "w", A)], [delta(0, "y", "w", B)]],
        [[delta(0, "x", "w", A), delta(0, "y", "w", B)]],
        [[delta(None, "x", "w", A)], [delta(None, "y", "w", B)]],
        [[delta(None, "x", "w", A), delta(None, "y", "w", B)]],
        # no ids at all
        [[delta(0, None, "w", A)], [delta(0, None, "w", B)]],
        [[delta(None, None, "w", A)], [delta(None, None, "w", B)]],
        # one id for all
        [[delta(0, "call", "w", A)], [delta(0, "call", "w", B)]],
        # in pieces, with equal or missing indices
        [[delta(0, "x", "w", "")], [delta(0, None, None, A[:5])], [delta(0, None, None, A[5:])], [delta(0, "y", "w", "")],
         [delta(0, None, None, B)]],
        [[delta(None, "x", "w", A[:5])], [delta(None, None, None, A[5:])], [delta(None, "y", "w", B)]],
        # the name in every chunk, and an id that is new in every chunk
        [[delta(0, "x", "w", A[:5])], [delta(0, "x", "w", A[5:])], [delta(1, "y", "w", B)]],
        [[delta(0, "x1", "w", A[:5])], [delta(0, "x2", "w", A[5:])], [delta(1, "y1", "w", B)]],
        # pieces of two calls in turn
        [[delta(0, "x", "w", A[:5]), delta(1, "y", "w", B[:5])], [delta(0, None, None, A[5:]), delta(1, None, None, B[5:])]],
        [[delta(1, "y", "w", B)], [delta(0, "x", "w", A)]],
        [[{"index": 0, "id": "x", "function": {"name": "w", "arguments": json.loads(A)}}], [delta(0, "y", "w", B)]],
    ],
)  # fmt: skip
def test_two_calls_are_two(chunks):
    assert read(*chunks) == TWO


def test_another_name_begins_another_call():
    assert read([delta(0, None, "one", "{}")], [delta(0, None, "two", "")]) == [("one", "{}"), ("two", "")]


def test_a_call_of_the_old_kind_is_read():
    reply = Reply()
    for piece, reason in (({"name": "w", "arguments": A[:4]}, None), ({"arguments": A[4:]}, "function_call")):
        body = {"choices": [{"index": 0, "delta": {"function_call": piece}, "finish_reason": reason}]}
        reply.event(json.dumps(body).encode(), 1)
    assert [(c.name, c.arguments) for c in reply.tool_calls] == [("w", A)]
    assert reply.finish_reason == "function_call"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["index", "id", "function", "name", "arguments"]), inner),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(st.lists(JUNK, max_size=4), max_size=4))
def test_whatever_is_sent_is_taken_in(chunks):
    calls = Calls()
    for one in chunks:
        calls.add(one)
    assert all(isinstance(name, str) for name, _ in calls.finished())
    assert len(calls.finished()) == len(calls)


@given(
    st.lists(st.tuples(st.sampled_from(["f", "g"]), st.dictionaries(st.text(max_size=3), st.integers(), max_size=3)), min_size=1, max_size=4),
    st.sampled_from(["index", "zero", "none"]),
    st.integers(1, 7),
)  # fmt: skip
def test_calls_with_ids_survive_any_indices_and_any_pieces(calls, how, size):
    chunks = []
    for place, (name, arguments) in enumerate(calls):
        index = {"index": place, "zero": 0, "none": None}[how]
        text = json.dumps(arguments)
        chunks.append([delta(index, f"id{place}", name, "")])
        chunks += [[delta(index, None, None, text[i : i + size])] for i in range(0, len(text), size)]
    assert read(*chunks) == [(name, json.dumps(arguments)) for name, arguments in calls]
