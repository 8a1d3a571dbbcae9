"""Every grader's documented example, and replies that a hostile or broken server may send."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from evalkit.errors import UsageError
from evalkit.explain.graders import graders_markdown
from evalkit.quality.graders import execution, grade_one, registry
from evalkit.quality.graders.base import Example, Grader, NoParams, Reply, grade
from evalkit.quality.grading import grade_exchange
from evalkit.quality.schemas import BadSchema, check_schema
from tests.quality.support import case, exchange, function, said, suite_file

WEATHER = function("get_weather", ["city"], city={"type": "string"}, unit={"type": "string", "enum": ["C", "F"]})
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(registry()))
def test_the_documented_example_holds(name):
    grader = registry()[name]
    expect = yaml.safe_load(
        f"- {{{grader.example.expect}}}" if ":" in grader.example.expect else f"- {grader.example.expect}"
    )
    one = case(*expect, tools=[WEATHER])
    run = execution.run_python_tests if name == "python_tests" else None
    good, bad = (
        run(exchange(r), one, one.expect[0].params) if run else grade_one(one.expect[0], exchange(r), one)
        for r in (grader.example.passes, grader.example.fails)
    )
    if not good.counts:  # information: judges, and what needs the baseline
        assert good.passed is None
        return
    assert good.passed is True, good
    assert bad.passed is False, bad
    assert bad.reason


def test_the_page_of_graders_is_up_to_date():
    assert (ROOT / "docs/graders.md").read_text() == graders_markdown()


NASTY = {
    "two megabytes": "word " * 400_000,
    "one line of brackets": "[" * 300_000,
    "control and bidi": "\x1b[2J\u202e\u0000\ufffe hello \x9b31m",
    "empty": "",
    "white space": " \n\t " * 1000,
    "surrogates": "\ud800 lone",
    "digits": "9" * 100_000,
    "fences": "```\n" * 50_000,
    "stars": "*" * 100_000,
    "dots": "." * 100_000,
}


@pytest.mark.parametrize("name", sorted(NASTY))
@pytest.mark.parametrize("grader", sorted(registry()))
def test_no_reply_makes_a_grader_crash(name, grader):
    example = registry()[grader].example
    if grader == "python_tests":
        return
    expect = yaml.safe_load(f"- {{{example.expect}}}" if ":" in example.expect else f"- {example.expect}")
    one = case(*expect, tools=[WEATHER])
    grade = grade_one(one.expect[0], said(NASTY[name]), one)
    assert not grade.reason.startswith("the grader failed"), grade
    assert len(grade.reason) < 600


def test_a_pattern_that_backtracks_for_ever_leaves_the_case_unscored():
    one = case({"regex": r"(a|a|aa)+$"})
    grade = grade_one(one.expect[0], said("a" * 60 + "b"), one)
    assert grade.passed is None
    assert "ran past" in grade.reason


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"$ref": "https://example.com/schema.json"}, "remote"),
        ({"$ref": "#"}, "itself"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "itself"),
        ({"$ref": "#/$defs/nowhere"}, "nothing"),
        ({"type": "strin"}, "not a JSON schema"),
        ({"type": "string", "pattern": "("}, "regular expression"),
    ],
)
def test_schemas_that_cannot_be_evaluated_are_refused(schema, why):
    with pytest.raises(BadSchema, match=why):
        check_schema(schema)


def test_a_tree_schema_that_refers_to_itself_through_a_property_is_fine():
    tree = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}}
    check_schema(tree)
    one = case({"json_schema": {"schema": tree}})
    assert grade_one(one.expect[0], said('{"kids": [{"kids": []}]}'), one).passed is True
    assert grade_one(one.expect[0], said('{"kids": [{"kids": 3}]}'), one).passed is False


def test_a_grader_that_cannot_tell_is_no_zero():
    one = case({"length": {"unit": "tokens", "max": 5}}, {"contains": "yes"})
    graded = grade_exchange(one, said("yes"))
    assert graded.passed is None
    assert graded.score is None


def test_a_definite_failure_counts_even_beside_an_unscored_grader():
    one = case({"length": {"unit": "tokens", "max": 5}}, {"contains": "yes"})
    assert grade_exchange(one, said("no")).passed is False


def test_signals_name_loops_doubled_words_and_leaked_tokens():
    one = case({"contains": "x"})
    looped = grade_exchange(one, said("A start. " + "and then it goes on " * 40)).signals
    assert looped.tail_loop > 0.5
    assert grade_exchange(one, said("The the cat sat on on the mat.")).signals.adjacent > 0.1
    assert grade_exchange(one, said("Paris <|mask|> is")).signals.special_tokens == ("<|mask|>",)
    clean = grade_exchange(
        one, said("Rain falls in the north, and the south stays dry until the evening comes.")
    ).signals
    assert (clean.tail_loop, clean.adjacent, clean.special_tokens) == (0.0, 0.0, ())


def test_generated_code_runs_only_with_permission_and_under_limits():
    one = case({"code_parses": {"defines": ["f"]}}, {"python_tests": "assert f() == 1"})
    good, endless = said("def f():\n    return 1"), said("def f():\n    while True: pass")
    assert grade_exchange(one, endless).passed is True  # not run: it parses
    assert grade_exchange(one, good, allow_exec=True).grades[1].passed is True


RUN = {
    "endless": ("def f():\n    while True: pass", "f()", "still running after 0.5 s"),
    "leaves early": ("import sys\nsys.exit(0)", "assert False", "ended before the tests"),
    "leaves at once": ("import os\nos._exit(0)", "assert False", "ended before the tests"),
    "fails": ("def f():\n    return 2", "assert f() == 1", "AssertionError"),
    "eats memory": ("x = 'a' * (1 << 31)", "pass", "MemoryError"),
    "fills the disk": ("open('big', 'wb').write(b'x' * (3 << 20))", "pass", ""),
    "prints for ever": ("import sys\nwhile True: sys.stderr.write('x' * 100000)", "pass", ""),
    "looks around": ("import os\nassert dict(os.environ).get('HOME') is None, 'sees the environment'", "pass", None),
    "waits for input": ("x = input()", "pass", "EOFError"),
}


@pytest.mark.parametrize("name", sorted(RUN))
def test_generated_code_is_held_in_limits(name):
    code, tests, why = RUN[name]
    one = case({"code_parses": {}}, {"python_tests": {"tests": tests, "seconds": 0.5 if name == "endless" else 5}})
    got = grade_exchange(one, said(code), allow_exec=True).grades[1]
    assert got.passed is (why is None), got
    assert (why or "") in got.reason
    assert len(got.reason) <= 201


@pytest.mark.slow
def test_a_child_that_the_code_leaves_behind_is_ended(tmp_path):
    mark = tmp_path / "alive"
    code = (
        "import os, time\n"
        "try:\n    child = os.fork()\nexcept OSError:\n    child = 1\n"
        f"if child == 0:\n    time.sleep(1.5)\n    open({str(mark)!r}, 'w').close()\n    os._exit(0)\n"
    )
    one = case({"code_parses": {}}, {"python_tests": "assert True"})
    assert grade_exchange(one, said(code), allow_exec=True).passed is True
    time.sleep(2)
    assert not mark.exists()


class Entry:
    """What `importlib.metadata` finds of an installed package."""

    def __init__(self, name, loaded):
        self.name, self._loaded = name, loaded

    def load(self):
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


@pytest.fixture
def plugged(monkeypatch):
    def plug(*entries):
        monkeypatch.setattr(metadata, "entry_points", lambda group: entries if group == "evalkit.graders" else ())
        registry.cache_clear()
        return registry()

    yield plug
    monkeypatch.undo()
    registry.cache_clear()


def shouting(reply, case, params):
    if not reply.text:
        raise RuntimeError("a bug of the plugin")
    return grade("shouting", reply.text.isupper(), "" if reply.text.isupper() else "not in capitals")


SHOUTING = Grader(
    name="shouting", family="acme", summary="In capitals.", params=NoParams, grade=shouting,
    example=Example("shouting", Reply("YES"), Reply("no")),
)  # fmt: skip


def test_a_plugin_adds_a_grader_that_suites_may_use(plugged):
    assert "shouting" in plugged(Entry("acme", SHOUTING))
    one = case("shouting")
    assert grade_exchange(one, said("YES")).passed is True
    assert grade_exchange(one, said("no")).passed is False
    assert "### `shouting`" in graders_markdown()


def test_a_plugin_that_fails_leaves_the_case_unscored(plugged):
    plugged(Entry("acme", SHOUTING))
    graded = grade_exchange(case("shouting"), said(""))
    assert graded.passed is None
    assert "the grader failed" in graded.grades[0].reason


@pytest.mark.parametrize("loaded", [ImportError("gone"), object(), replace(SHOUTING, name="json")])
def test_a_plugin_that_is_none_or_takes_a_name_is_named(plugged, loaded):
    with pytest.raises(UsageError, match="plugin 'acme'"):
        plugged(Entry("acme", loaded))


def test_a_conversation_with_a_tools_result_is_graded_on_its_last_reply(tmp_path):
    suite = suite_file(
        tmp_path,
        """suite: {name: s, kind: tools}
cases:
  - id: after
    messages:
      - {role: user, content: What is the weather in Oslo?}
      - {role: assistant, tool_calls: [{id: a, type: function, function: {name: get_weather, arguments: '{"city": "Oslo"}'}}]}
      - {role: tool, tool_call_id: a, content: '{"sky": "rain"}'}
    tools: [{type: function, function: {name: get_weather, parameters: {type: object, properties: {city: {type: string}}}}}]
    expect: [no_tool_call, {contains: rain}]
""",
    )
    (one,) = suite.cases
    assert grade_exchange(one, said("It rains: rain all day.")).passed is True
    assert grade_exchange(one, said("", ("get_weather", '{"city": "Oslo"}'), finish="tool_calls")).passed is False
