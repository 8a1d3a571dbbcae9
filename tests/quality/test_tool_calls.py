"""Hand-made replies to requests with tools, each with its outcome and its grade."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.quality.graders import grade_one
from evalkit.quality.graders.compare import maximum_matching
from evalkit.quality.toolcalls import read
from tests.quality.support import case, function, said

WEATHER = function(
    "get_weather",
    ["city"],
    city={"type": "string"},
    unit={"type": "string", "enum": ["C", "F"]},
    days={"type": "integer"},
)
TIMER = function("set_timer", ["minutes"], minutes={"type": "integer"}, label={"type": "string"})
MOVE = function(
    "move",
    ["path", "to"],
    path={"type": "string"},
    to={"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}}, "required": ["x", "y"]},
)
TAGS = function(
    "tag",
    ["file_id", "tags"],
    file_id={"type": "string"},
    tags={"type": "array", "items": {"type": "string"}},
    on={"type": "boolean"},
)
PING = function("ping")
TOOLS = [WEATHER, TIMER, MOVE, TAGS, PING]

OSLO = {"tool_calls": [{"name": "get_weather", "args": {"city": "Oslo"}}]}
CITY = {"city": {"any_of": ["Oslo", "Oslo, Norway"]}, "unit": {"any_of": ["C"], "optional": True}}
EITHER = {"tool_calls": [{"name": "get_weather", "args": CITY}]}
TWO = {
    "tool_calls": [{"name": "get_weather", "args": {"city": "Oslo"}}, {"name": "get_weather", "args": {"city": "Rome"}}]
}
STRICT = {"tool_calls": {"calls": TWO["tool_calls"], "order": "strict"}}
EXTRA = {"tool_calls": {"calls": OSLO["tool_calls"], "extra": "allow"}}
BOTH = {
    "tool_calls": [{"name": "get_weather", "args": {"city": "Oslo"}}, {"name": "set_timer", "args": {"minutes": 5}}]
}
NESTED = {"tool_calls": [{"name": "move", "args": {"path": "/a/b", "to": {"x": 1.5, "y": 2}}}]}
LISTED = {
    "tool_calls": [
        {"name": "tag", "args": {"file_id": "A-1", "tags": ["red", "blue"], "on": {"any": True, "optional": True}}}
    ]
}
GREEDY = {
    "tool_calls": [
        {"name": "get_weather", "args": {"city": {"any_of": ["Oslo", "Rome"]}}},
        {"name": "get_weather", "args": {"city": "Oslo"}},
    ]
}
LOOSE = {
    "tool_calls": {
        "calls": [{"name": "get_weather", "args": {"city": "New York"}}],
        "normalize": ["casefold", "whitespace"],
    }
}
LOOSE_ID = {
    "tool_calls": {"calls": [{"name": "tag", "args": {"file_id": "A-1", "tags": ["Red"]}}], "normalize": ["casefold"]}
}
COERCED = {"tool_calls": {"calls": [{"name": "set_timer", "args": {"minutes": 5}}], "coerce": True}}
TIMER5 = {"tool_calls": [{"name": "set_timer", "args": {"minutes": 5, "label": {"any_of": [""], "optional": True}}}]}
ANY_ARGS = {"tool_calls": [{"name": "get_weather", "args": None}]}
PINGED = {"tool_calls": [{"name": "ping"}]}
NONE = "no_tool_call"
SOME = "calls_any"


def w(city, **more):
    return ("get_weather", json.dumps({"city": city, **more}))


def t(minutes, **more):
    return ("set_timer", json.dumps({"minutes": minutes, **more}))


# what is asked, text, calls, finish reason, outcome, passed
TABLE = {
    "simple": [
        (OSLO, "", [w("Oslo")], "tool_calls", "call", True),
        (OSLO, "", [w("Oslo")], "stop", "call", True),
        (OSLO, "", [w("Oslo")], "length", "call", True),
        (OSLO, "Let me look.", [w("Oslo")], "tool_calls", "call", True),
        (OSLO, "", [("get_weather", '{ "city" :\n "Oslo" }')], "tool_calls", "call", True),
        (OSLO, "", [w("Bergen")], "tool_calls", "call", False),
        (OSLO, "", [w("oslo")], "tool_calls", "call", False),
        (OSLO, "", [w("Oslo ")], "tool_calls", "call", False),
        (OSLO, "", [w('"Oslo"')], "tool_calls", "call", False),
        (OSLO, "", [w("Oslo", unit="C")], "tool_calls", "call", False),
        (OSLO, "It is sunny in Oslo.", [], "stop", "text", False),
        (OSLO, "", [], "stop", "malformed", False),
        (OSLO, "", [], "tool_calls", "malformed", False),
        (OSLO, "", [], "length", "truncated", False),
        (OSLO, "I will now", [], "length", "truncated", False),
    ],
    "optional": [
        (EITHER, "", [w("Oslo, Norway")], "tool_calls", "call", True),
        (EITHER, "", [w("Oslo", unit="C")], "tool_calls", "call", True),
        (EITHER, "", [w("Oslo", unit="F")], "tool_calls", "call", False),
        (EITHER, "", [w("Oslo", unit="K")], "tool_calls", "malformed", False),
        (EITHER, "", [w("Oslo", unit=None)], "tool_calls", "malformed", False),
        (EITHER, "", [w("Oslo", unit="")], "tool_calls", "malformed", False),
        (TIMER5, "", [t(5)], "tool_calls", "call", True),
        (TIMER5, "", [t(5, label="")], "tool_calls", "call", True),
        (TIMER5, "", [t(5, label="tea")], "tool_calls", "call", False),
        (ANY_ARGS, "", [w("Anywhere", days=3)], "tool_calls", "call", True),
        (PINGED, "", [("ping", "{}")], "tool_calls", "call", True),
        (PINGED, "", [("ping", "")], "tool_calls", "call", True),
        (PINGED, "", [("ping", '{"now": true}')], "tool_calls", "malformed", False),
    ],
    "types": [
        (TIMER5, "", [("set_timer", '{"minutes": "5"}')], "tool_calls", "malformed", False),
        (TIMER5, "", [("set_timer", '{"minutes": true}')], "tool_calls", "malformed", False),
        (TIMER5, "", [("set_timer", '{"minutes": 5.0}')], "tool_calls", "call", False),
        (TIMER5, "", [("set_timer", '{"minutes": 5.5}')], "tool_calls", "malformed", False),
        (COERCED, "", [("set_timer", '{"minutes": "5"}')], "tool_calls", "malformed", True),
        (COERCED, "", [("set_timer", '{"minutes": "five"}')], "tool_calls", "malformed", False),
    ],
    "malformed": [
        (OSLO, "", [("get_weather", '{"city": "Oslo"')], "tool_calls", "malformed", False),
        (OSLO, "", [("get_weather", '{"city": "Oslo"')], "length", "truncated", False),
        (OSLO, "", [("get_weather", "")], "tool_calls", "malformed", False),
        (OSLO, "", [("get_weather", "")], "length", "truncated", False),
        (OSLO, "", [("get_weather", "{}")], "tool_calls", "malformed", False),
        (OSLO, "", [("get_weather", '["Oslo"]')], "tool_calls", "malformed", False),
        (OSLO, "", [("get_weather", '"Oslo"')], "tool_calls", "malformed", False),
        (OSLO, "", [("get_weather", "null")], "tool_calls", "malformed", False),
        (OSLO, "", [("get_weather", "{'city': 'Oslo'}")], "tool_calls", "malformed", False),
        (OSLO, "", [("get_weather", '{"city": "Oslo",}')], "tool_calls", "malformed", False),
        (OSLO, "", [("get_weather", '{"city": "Rome", "city": "Oslo"}')], "tool_calls", "malformed", False),
        (OSLO, "", [("get_weather", '{"city": NaN}')], "tool_calls", "malformed", False),
        (OSLO, "", [("get_weather", '{"city": ' + "[" * 100_000)], "tool_calls", "malformed", False),
        (OSLO, "", [("get_weather", '{"town": "Oslo"}')], "tool_calls", "malformed", False),
        (OSLO, "", [("get_weathr", '{"city": "Oslo"}')], "tool_calls", "malformed", False),
        (OSLO, "", [("", '{"city": "Oslo"}')], "tool_calls", "malformed", False),
        (OSLO, '<tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"}}</tool_call>', [], "stop", "malformed", False),
        (OSLO, '{"name": "get_weather", "arguments": {"city": "Oslo"}}', [], "stop", "malformed", False),
        (OSLO, '```json\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n```', [], "stop", "malformed", False),
        (OSLO, '[get_weather(city="Oslo")]', [], "stop", "malformed", False),
        (OSLO, '[TOOL_CALLS][{"name": "get_weather"', [], "stop", "malformed", False),
        (OSLO, "<function=get_weather>{", [], "stop", "malformed", False),
        (OSLO, '<tool_call>{"name": "get_weather"', [w("Oslo")], "tool_calls", "malformed", False),
    ],
    "parallel": [
        (TWO, "", [w("Oslo"), w("Rome")], "tool_calls", "call", True),
        (TWO, "", [w("Rome"), w("Oslo")], "tool_calls", "call", True),
        (TWO, "", [w("Oslo")], "tool_calls", "call", False),
        (TWO, "", [w("Oslo"), w("Oslo")], "tool_calls", "call", False),
        (TWO, "", [w("Oslo"), w("Rome"), w("Rome")], "tool_calls", "call", False),
        (TWO, "", [w("Oslo"), ("get_weather", '{"city": "Ro')], "length", "truncated", False),
        (TWO, "", [("get_weather", '{"ci'), w("Rome")], "length", "malformed", False),
        (STRICT, "", [w("Oslo"), w("Rome")], "tool_calls", "call", True),
        (STRICT, "", [w("Rome"), w("Oslo")], "tool_calls", "call", False),
        (GREEDY, "", [w("Oslo"), w("Rome")], "tool_calls", "call", True),
        (GREEDY, "", [w("Rome"), w("Oslo")], "tool_calls", "call", True),
        (GREEDY, "", [w("Rome"), w("Rome")], "tool_calls", "call", False),
        (EXTRA, "", [w("Oslo"), t(5)], "tool_calls", "call", True),
    ],
    "several at once": [
        (BOTH, "", [t(5), w("Oslo")], "tool_calls", "call", True),
        (BOTH, "", [t(6), w("Oslo")], "tool_calls", "call", False),
        (OSLO, "", [t(5)], "tool_calls", "call", False),
        (OSLO, "", [w("Oslo"), t(5)], "tool_calls", "call", False),
    ],
    "nested": [
        (NESTED, "", [("move", '{"path": "/a/b", "to": {"x": 1.5, "y": 2.0}}')], "tool_calls", "call", True),
        (NESTED, "", [("move", '{"path": "/a/b", "to": {"x": 15, "y": 2}}')], "tool_calls", "call", False),
        (NESTED, "", [("move", '{"path": "/ab", "to": {"x": 1.5, "y": 2}}')], "tool_calls", "call", False),
        (NESTED, "", [("move", '{"path": "/a/b", "to": {"x": 1.5}}')], "tool_calls", "malformed", False),
        (NESTED, "", [("move", '{"path": "/a/b", "to": {"x": 1.5, "y": 2, "z": 0}}')], "tool_calls", "call", False),
        (LISTED, "", [("tag", '{"file_id": "A-1", "tags": ["red", "blue"]}')], "tool_calls", "call", True),
        (LISTED, "", [("tag", '{"file_id": "A-1", "tags": ["red", "blue"], "on": false}')], "tool_calls", "call", True),
        (LISTED, "", [("tag", '{"file_id": "A-1", "tags": ["blue", "red"]}')], "tool_calls", "call", False),
        (LISTED, "", [("tag", '{"file_id": "A-1", "tags": ["red"]}')], "tool_calls", "call", False),
        (LISTED, "", [("tag", '{"file_id": "A-1", "tags": "red, blue"}')], "tool_calls", "malformed", False),
    ],
    "texts": [
        (LOOSE, "", [w("new  york")], "tool_calls", "call", True),
        (LOOSE, "", [w("newyork")], "tool_calls", "call", False),
        (LOOSE_ID, "", [("tag", '{"file_id": "a-1", "tags": ["red"]}')], "tool_calls", "call", False),
        (LOOSE_ID, "", [("tag", '{"file_id": "A-1", "tags": ["red"]}')], "tool_calls", "call", True),
    ],
    "none wanted": [
        (NONE, "Oslo is in Norway.", [], "stop", "text", True),
        (NONE, 'The JSON {"name": "Ada"} has one key.', [], "stop", "text", True),
        (NONE, '{"name": "Ada", "age": 3}', [], "stop", "text", True),
        (NONE, "You could call get_weather (it takes a city).", [], "stop", "text", True),
        (NONE, "", [], "stop", "malformed", False),
        (NONE, "Oslo is", [], "length", "truncated", False),
        (NONE, "", [w("Oslo")], "tool_calls", "call", False),
        (NONE, "", [("get_weather", "{")], "tool_calls", "malformed", False),
        (NONE, '<tool_call>{"name": "get_weather"', [], "stop", "malformed", False),
        (NONE, '{"name": "get_weather", "arguments": {"city": "Oslo"', [], "stop", "malformed", False),
        (NONE, "get_weather(city='Oslo')", [], "stop", "malformed", False),
    ],
    "some call": [
        (SOME, "", [t(99)], "tool_calls", "call", True),
        (SOME, "", [("set_timer", "{}")], "tool_calls", "malformed", False),
        (SOME, "No.", [], "stop", "text", False),
    ],
    "several offered": [
        (TIMER5, "", [t(5)], "tool_calls", "call", True),
        (TIMER5, "", [w("Oslo")], "tool_calls", "call", False),
        (TIMER5, "", [("ping", "{}")], "tool_calls", "call", False),
        (PINGED, "", [("ping", "{}")], "tool_calls", "call", True),
        (PINGED, "", [t(5)], "tool_calls", "call", False),
    ],
}  # fmt: skip
ROWS = [(name, *row) for name, rows in TABLE.items() for row in rows]


#: categories of the Berkeley Function Calling Leaderboard, and where they stand here
BFCL = {
    "simple": "simple", "multiple": "several offered", "parallel": "parallel", "parallel multiple": "several at once",
    "irrelevance": "none wanted", "relevance": "some call",
}  # fmt: skip
#: what its checker is known to get wrong, and where it is held here
TRAPS = {
    "a malformed call counts as abstaining": "none wanted", "greedy matching of parallel calls": "parallel",
    "punctuation is dropped from texts": "texts", "objects inside objects are not looked at": "nested",
    "an empty text cannot be asked for": "optional", "true and 1, 5 and 5.0, '5' and 5": "types",
    "arguments that are no JSON object": "malformed",
}  # fmt: skip


def test_every_category_and_every_known_trap_has_rows_that_pass_and_that_fail():
    assert len(ROWS) >= 80
    for name in {*BFCL.values(), *TRAPS.values()} - {"malformed"}:
        assert {row[5] for row in TABLE[name]} == {True, False}, name
    assert all(row[5] is False for row in TABLE["malformed"])


@pytest.mark.parametrize("row", ROWS, ids=[f"{i}-{row[0].replace(' ', '-')}" for i, row in enumerate(ROWS)])
def test_every_reply_has_its_outcome_and_grade(row):
    _, expect, text, calls, finish, outcome, passed = row
    reply = said(text, *calls, finish=finish)
    one = case(expect, tools=TOOLS)
    assert read(reply, TOOLS).outcome == outcome
    grade = grade_one(one.expect[0], reply, one)
    assert grade.passed is passed, grade
    assert passed or grade.reason


@given(st.lists(st.lists(st.integers(0, 4), max_size=5, unique=True), max_size=5))
def test_matching_finds_as_many_pairs_as_trying_everything(edges):
    found = maximum_matching(edges, 5)
    used = [node for node in found if node is not None]
    assert len(used) == len(set(used))
    assert all(node is None or node in edges[i] for i, node in enumerate(found))
    best = max(
        sum(node in edges[i] for i, node in enumerate(order[: len(edges)]))
        for order in itertools.permutations(range(5))
    )
    assert len(used) == best


def test_an_intact_call_in_the_text_tells_that_the_server_has_no_parser():
    reply = said('<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>')
    assert read(reply, TOOLS).residue == "intact"
    assert read(said('<tool_call>{"name": "get_wea'), TOOLS).residue == "broken"


CITIES = ("Oslo", "Rome", "Lima", "Cairo")


@given(
    st.lists(st.lists(st.sampled_from(CITIES), min_size=1, max_size=3, unique=True), min_size=1, max_size=5),
    st.lists(st.sampled_from(CITIES), min_size=1, max_size=5),
    st.sampled_from(["any", "strict"]),
)
def test_parallel_calls_pass_when_some_assignment_does(asked, called, order):
    calls = [{"name": "get_weather", "args": {"city": {"any_of": cities}}} for cities in asked]
    one = case({"tool_calls": {"calls": calls, "order": order}}, tools=TOOLS)
    got = grade_one(one.expect[0], said("", *[w(city) for city in called], finish="tool_calls"), one)
    orders = itertools.permutations(called) if order == "any" else [called]
    fits = any(all(city in cities for city, cities in zip(given_, asked, strict=False)) for given_ in orders)
    assert got.passed is (len(called) == len(asked) and fits)
