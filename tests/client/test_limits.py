"""Deadlines and caps come from one place, and the checklist reaches them."""

import json

import pytest
from pydantic import ValidationError

from evalkit.checklist.schema import Checklist, Endpoint
from evalkit.client.payload import BadReplyError, parse_json
from evalkit.client.reply import Reply
from evalkit.limits import CONTROL, GENERATION
from evalkit.serving.probe import target_for


def test_the_defaults_of_the_checklist_are_those_of_the_one_place():
    limits = Checklist().limits
    assert limits.generation() == GENERATION
    assert limits.control() == CONTROL


def test_a_checklist_reaches_the_deadlines_of_a_mode_s_requests():
    limits = Checklist.model_validate({"limits": {"first_byte_s": 2.0, "max_bytes": 1000}}).limits.generation()
    target = target_for("diffusion", Endpoint(endpoint="http://127.0.0.1:1"), None, limits)
    assert (target.limits.first_byte_s, target.limits.max_bytes) == (2.0, 1000)
    assert target.limits.idle_s == GENERATION.idle_s


@pytest.mark.parametrize("value", [0, -1, "10", True, float("nan")])
def test_a_deadline_that_is_no_positive_number_is_an_error(value):
    with pytest.raises(ValidationError):
        Checklist.model_validate({"limits": {"total_s": value}})


@pytest.mark.parametrize("depth", [65, 500, 5000])
@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_json_nested_beyond_the_cap_is_refused_without_a_crash(depth, pair):
    text = "[" * depth + "]" * depth if pair == "[]" else '{"a":' * depth + "1" + "}" * depth
    with pytest.raises(BadReplyError):
        parse_json(text.encode())


def test_json_nested_up_to_the_cap_is_taken_however_many_brackets_it_has():
    assert parse_json(b"[" * 64 + b"]" * 64)
    assert len(parse_json(b"[" + b"[]," * 999 + b"[]]")) == 1000
    assert parse_json(json.dumps({"text": "[{" * 500}).encode())


def test_arguments_of_a_tool_call_that_nest_without_end_are_a_bad_reply():
    deep: object = 1
    for _ in range(400):
        deep = {"a": deep}
    call = {"index": 0, "function": {"name": "f", "arguments": deep}}
    event = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
    with pytest.raises(BadReplyError, match="deeper"):
        Reply().event(json.dumps(event).encode(), 0)
