"""Tool calls that fail: what the second step sends, which calls are the same, and what is counted over real sockets."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.schema import Request
from evalkit.client.types import Exchange, ToolCall
from evalkit.errors import InputFileError
from evalkit.quality.facts import Answer
from evalkit.quality.loops import looping, open_loops, same_calls, second
from evalkit.quality.suite import load_suite
from evalkit.reference import Answers, preset
from evalkit.run.start import Flags, run
from evalkit.stored.folder import RunFolder
from tests.support.small_run import MODEL, write_inputs
from tests.support.virtual_world import worlds

CITIES = ("Paris", "Tokyo", "Rome", "Madrid", "Berlin", "London", "Oslo", "Cairo", "Lima", "Delhi")
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}  # fmt: skip
AR, SPEC = "autoregressive", "self-speculation"


def suite(path, **more):
    cases = [{"id": city.lower(), "prompt": f"What is the weather in {city}?", "tools": [TOOL],
              "tool_result": f"error 503: no data for {city}", "expect": [{"tool_calls": [{"name": "get_weather"}]}]}
             for city in CITIES]  # fmt: skip
    path.write_text(
        yaml.safe_dump({"suite": {"name": "weather", "kind": "tools"}, "cases": [*cases, *more.get("cases", ())]})
    )
    return path


def call(name, arguments):
    return ToolCall(name=name, arguments=arguments)


ARGUMENTS = st.dictionaries(st.text("ab", max_size=2), st.integers(0, 3), max_size=3)


@given(st.lists(st.tuples(st.sampled_from("fg"), ARGUMENTS), max_size=4), st.randoms())
def test_the_same_calls_are_the_same_in_any_order_and_spelling(calls, rng):
    first = [call(name, json.dumps(given)) for name, given in calls]
    again = [call(name, json.dumps(dict(reversed(given.items())), indent=1)) for name, given in calls]
    rng.shuffle(again)
    assert same_calls(first, again) == len(calls)
    assert same_calls(first, [*again, *again]) == len(calls)
    assert same_calls(first, []) == same_calls([], again) == 0


def test_other_arguments_are_another_call_and_broken_ones_are_compared_as_text():
    assert same_calls([call("f", '{"a": 1}')], [call("f", '{"a": 2}')]) == 0
    assert same_calls([call("f", '{"a": 1')], [call("f", '{"a": 1 ')]) == 1
    assert same_calls([call("f", "{}")], [call("g", "{}")]) == 0


def test_the_second_step_answers_every_call_of_the_first_reply(tmp_path):
    case = load_suite(suite(tmp_path / "s.yaml"), Request()).cases[0]
    first = Exchange(
        ok=True, text="Let me see.", tool_calls=(call("get_weather", '{"city": "Paris"}'), call("other", "{}"))
    )
    *_, said, one, two = second(case, first).messages
    assert [c["function"]["name"] for c in said["tool_calls"]] == ["get_weather", "other"]
    assert [m["tool_call_id"] for m in (one, two)] == [c["id"] for c in said["tool_calls"]]
    assert {m["content"] for m in (one, two)} == {"error 503: no data for Paris"}
    assert second(case, first).tools == case.tools


def test_only_first_streamed_replies_with_calls_are_followed(tmp_path):
    whole = load_suite(suite(tmp_path / "s.yaml"), Request())
    assert looping([whole]) == len(CITIES)

    def answer(**kw):
        calls = kw.pop("calls", (call("get_weather", "{}"),))
        values = {"mode": AR, "suite": "weather", "kind": "tools", "case_id": "paris", "request_sha256": "a", **kw}
        return Answer(**values, exchange=Exchange(ok=True, tool_calls=calls))

    assert [one.key for one in open_loops([answer()], [whole], ())] == [f"{AR}|weather|paris"]
    for other in (
        answer(repeat=1),
        answer(streamed=False),
        answer(calls=()),
        answer(case_id="gone"),
        answer(suite="gone"),
    ):
        assert open_loops([other], [whole], ()) == []
    assert open_loops([answer()], [whole], {f"{AR}|weather|paris"}) == []


def test_a_result_without_tools_is_refused(tmp_path):
    bad = {"id": "bad", "prompt": "Hi", "tool_result": "error", "expect": [{"contains": {"any": ["x"]}}]}
    with pytest.raises(InputFileError, match="tool_result"):
        load_suite(suite(tmp_path / "s.yaml", cases=[bad]), Request())


@pytest.mark.slow
def test_a_mode_that_asks_the_same_again_is_counted_and_nothing_is_asked_twice(tmp_path):
    loops = [{"prompt": f"error 503: no data for {city}", "tool_call": {"name": "get_weather", "arguments": {"city": city}}}
             for city in CITIES]  # fmt: skip
    (tmp_path / "answers.yaml").write_text(yaml.safe_dump(loops))
    suite(tmp_path / "weather.yaml")
    with worlds() as world:
        (plain,) = world.serve(preset(AR, model=MODEL))
        (fast,) = world.serve(preset(SPEC, model=MODEL), answers=Answers.load(tmp_path / "answers.yaml"))
        modes = {AR: {"endpoint": plain.base_url}, SPEC: {"endpoint": fast.base_url}}
        path = write_inputs(tmp_path, modes, tasks=["weather.yaml"])
        document = run(Flags(checklist=str(path), output_dir=tmp_path / "run", report_only=True))
        journal = (tmp_path / "run" / "journal.jsonl").read_text(encoding="utf-8")
        run(Flags(checklist=str(path), resume=tmp_path / "run", report_only=True))
    found = {f["mode"]: f for i in document["items"] for f in i["findings"] if f["id"] == "quality.tool-loop"}
    assert (found[SPEC]["outcome"], found[SPEC]["status"], found[SPEC]["counts"]) == ("repeats-more", "warn", False)
    assert found[SPEC]["data"]["repeated"] == found[SPEC]["data"]["steps"] == len(CITIES)
    assert (found[AR]["outcome"], found[AR]["data"]["text"]) == ("none-repeated", len(CITIES))
    facts = RunFolder(tmp_path / "run").facts()
    assert len(facts.tool_loops) == 2 * len(CITIES)
    again = (tmp_path / "run" / "journal.jsonl").read_text(encoding="utf-8")
    assert again.count('"kind":"tool-loop"') == journal.count('"kind":"tool-loop"') == 2 * len(CITIES)
