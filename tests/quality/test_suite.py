"""Suites: what is accepted, and that every mistake is named with its line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.analysis.suites import power
from evalkit.checklist.schema import Request
from evalkit.errors import InputFileError
from evalkit.quality.case import asked_sha256
from evalkit.quality.grading import grade_exchange
from evalkit.quality.suite import load_suite, load_suites
from tests.quality.support import said, suite_file

ROOT = Path(__file__).parents[2]
HEAD = "suite: {name: s, kind: chat}\ncases:\n"
TOOL = "tools: [{type: function, function: {name: get, parameters: {type: object, properties: {n: {type: integer}}, required: [n]}}}]"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "empty"),
        ("[]", 1, "mapping"),
        ("suite: {name: s, kind: chat}\n", None, "no cases"),
        ("suite: {name: s, kind: chats}\ncases: []\n", 1, "is not one of"),
        (HEAD + "  - id: a\n    prompt: q\n    expct: []\n", 5, 'unknown key "expct"'),
        (HEAD + "  - id: a\n    prompt: q\n    expect: [{conains: x}]\n", 5, "unknown grader 'conains'"),
        (
            HEAD + "  - id: a\n    prompt: q\n    expect:\n      - contains: x\n      - number: {valu: 3}\n",
            7,
            "unknown key 'valu'",
        ),
        (HEAD + "  - id: a\n    prompt: q\n    expect: [{contains: x, equals: y}]\n", 5, "one grader an entry"),
        (HEAD + "  - id: a\n    prompt: q\n", 3, "expects something"),
        (HEAD + "  - id: a\n    expect: [{contains: x}]\n", 3, "either prompt or messages"),
        (
            HEAD + "  - {id: a, prompt: q, expect: [{contains: x}]}\n  - {id: a, prompt: r, expect: [{contains: x}]}\n",
            4,
            "already used",
        ),
        (HEAD + "  - {id: a, prompt: q, images: [no.png], expect: [{contains: x}]}\n", 3, "no such image"),
        (HEAD + "  - {id: a, prompt: q, images: ['https://x.y/a.png'], expect: [{contains: x}]}\n", 3, "not addresses"),
        (HEAD + "  - {id: a, prompt: q, expect: [{regex: '('}]}\n", 3, "not a regular expression"),
        (HEAD + "  - {id: a, prompt: q, expect: [{rubric: ['Is it good?']}]}\n", 3, "never decides a case alone"),
        (HEAD + "  - {id: a, prompt: q, expect: [no_tool_call]}\n", 3, "needs tools"),
        (HEAD + "  - {id: a, prompt: q, expect: [equals: x, equals: y]}\n", 3, "contradiction"),
        (HEAD + "  - {id: a, prompt: q, expect: [{length: {min: 5, max: 2}}]}\n", 3, "contradiction"),
        (HEAD + "  - {id: a, prompt: q, expect: [{contains: {any: x, none: x}}]}\n", 3, "contradiction"),
        (HEAD + "  - {id: a, prompt: q, expect: [{at_least: {n: 3, of: [contains: a]}}]}\n", 3, "never be decided"),
        (HEAD + "  - {id: a, prompt: q, expect: [{json_schema: {$ref: 'http://x.y/z'}}]}\n", 3, "remote"),
        (
            HEAD
            + f"  - id: a\n    prompt: q\n    {TOOL}\n    expect: [{{tool_calls: [{{name: gte, args: {{n: 1}}}}]}}]\n",
            6,
            "no tool is called",
        ),
        (
            HEAD
            + f"  - id: a\n    prompt: q\n    {TOOL}\n    expect: [{{tool_calls: [{{name: get, args: {{m: 1}}}}]}}]\n",
            6,
            "no parameter",
        ),
        (
            HEAD
            + f"  - id: a\n    prompt: q\n    {TOOL}\n    expect: [{{tool_calls: [{{name: get, args: {{n: one}}}}]}}]\n",
            6,
            "no valid call",
        ),
        (HEAD + f"  - id: a\n    prompt: q\n    {TOOL}\n    expect: [no_tool_call, calls_any]\n", 6, "contradiction"),
        (HEAD + "  - {id: a, id: b, prompt: q, expect: [contains: x]}\n", 3, "appears twice"),
        (HEAD + "  - {id: 'a|b', prompt: q, expect: [contains: x]}\n", 3, "id"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, text, line, message):
    with pytest.raises(InputFileError) as caught:
        suite_file(tmp_path, text)
    assert message in caught.value.message
    if line is not None:
        assert caught.value.where.endswith(f"suite.yaml:{line}"), caught.value.where


def test_a_misspelt_grader_gets_a_suggestion(tmp_path):
    with pytest.raises(InputFileError) as caught:
        suite_file(tmp_path, HEAD + "  - {id: a, prompt: q, expect: [{json_macth: {a: 1}}]}\n")
    assert "json_match" in caught.value.hint


def test_parameters_come_from_the_case_then_the_suite_then_production(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(
        "suite: {name: s, kind: chat, defaults: {max_tokens: 99, system: Be brief.}, repeats: 2, tags: [t]}\n"
        "cases:\n  - {id: a, prompt: q, expect: [contains: x], params: {temperature: 0.5}}\n"
    )
    case = load_suite(path, Request(temperature=0.9, max_tokens=7)).cases[0]
    assert (case.request.max_tokens, case.request.temperature, case.repeats, case.tags) == (99, 0.5, 2, ("t",))
    assert case.request.messages[0] == {"role": "system", "content": "Be brief."}


def test_bulk_cases_come_from_jsonl_with_lines_of_their_own(tmp_path):
    rows = [{"id": f"c{i}", "prompt": "q", "expect": ["json"]} for i in range(3)]
    (tmp_path / "bulk.jsonl").write_text("\n".join(map(json.dumps, rows)) + '\n{"id": "c9", "prompt": 3}\n')
    with pytest.raises(InputFileError) as caught:
        suite_file(tmp_path, "suite: {name: s, kind: chat, import: bulk.jsonl}\n")
    assert caught.value.where.endswith("bulk.jsonl:4")
    (tmp_path / "bulk.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert len(suite_file(tmp_path, "suite: {name: s, kind: chat, import: bulk.jsonl}\n").cases) == 3
    assert load_suite(tmp_path / "bulk.jsonl", Request()).kind == "custom"


def test_an_image_beside_the_suite_is_sent_as_data(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    suite = suite_file(tmp_path, HEAD + "  - {id: a, prompt: q, images: [a.png], expect: [contains: x]}\n")
    parts = suite.cases[0].request.messages[0]["content"]
    assert parts[0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert suite.cases[0].prompt_text == "q"


SHIPPED = sorted(ROOT.glob("prompts/**/*.yaml"))


@pytest.fixture(scope="module")
def shipped():
    return load_suites(SHIPPED, Request())


def test_shipped_suites_load_with_distinct_prompts_and_can_decide_their_margins(shipped):
    margins = {"tools": 0.02, "long": 0.05}
    assert len(shipped) >= 9
    for suite in shipped:
        assert suite.shipped
        assert len({asked_sha256(case.request) for case in suite.cases}) == len(suite.cases)
        small = suite.name.startswith(("demo", "example"))
        margin = 0.10 if small else margins.get(suite.kind, 0.03)
        told = power(suite, margin)
        assert told.can_decide, suite.name
        if small or suite.name == "quick":
            assert len(suite.cases) <= 160  # a first look stays small
        else:
            assert told.power["0.02"] >= 0.85, told.text


def test_every_category_of_the_shipped_tool_suite_has_cases_enough_to_look_at(shipped):
    (suite,) = [one for one in shipped if one.name == "tool-calls"]
    wanted = [
        [call for one in c.expect if one.grader == "tool_calls" for call in one.params.calls] for c in suite.cases
    ]
    counts = {
        "none wanted": sum("no_tool_call" in c.uses for c in suite.cases),
        "one tool offered": sum(len(c.tools) == 1 for c in suite.cases),
        "several offered": sum(len(c.tools) > 2 for c in suite.cases),
        "parallel, one function": sum(len(w) > 1 and len({call.name for call in w}) == 1 for w in wanted),
        "parallel, several functions": sum(len({call.name for call in w}) > 1 for w in wanted),
        "nested": sum(
            any(isinstance(v, dict | list) for call in w for v in (call.args or {}).values()) for w in wanted
        ),
        "optional": sum("optional" in str(call.args) for w in wanted for call in w),
    }
    assert min(counts.values()) >= 25, counts


def _right(case):
    """The one right reply to a case, made from what it expects; None where many are right."""
    calls, text = [], None
    for one in case.expect:
        params = one.params
        if one.grader == "tool_calls":
            calls = [(call.name, json.dumps(_value(call.args))) for call in params.calls]
        elif one.grader == "json_match":
            text = json.dumps(params.value)
        elif one.grader == "items":
            order = {"reversed": params.of[::-1], "sorted": sorted(params.of), "different": params.of[::-1]}
            text = ", ".join(order.get(params.order, params.of))
        elif one.grader == "equals":
            text = params.any[0]
        elif one.grader == "number":
            text = str(params.value)
        elif one.grader == "regex":
            text = re.sub(r"\\([()])\{(\d+)\}", lambda m: m.group(1) * int(m.group(2)), params.pattern)
    return said(text or "", *calls) if calls or text is not None else None


def _value(rule):
    if isinstance(rule, dict) and set(rule) & {"any_of", "any", "equals"}:
        return rule["any_of"][0] if "any_of" in rule else rule.get("equals", "x")
    return (
        {k: _value(v) for k, v in rule.items() if v != {"any": True, "optional": True}}
        if isinstance(rule, dict)
        else rule
    )


def test_every_shipped_case_with_one_right_answer_accepts_it_and_nothing_else(shipped):
    graded = 0
    for suite in shipped:
        for case in suite.cases:
            right = _right(case)
            if right is None:
                continue
            graded += 1
            assert grade_exchange(case, right).passed is True, (suite.name, case.id, grade_exchange(case, right).grades)
            wrong = said("I cannot do that.") if right.tool_calls else said(f"{right.text}9")
            assert grade_exchange(case, wrong).passed is False, (suite.name, case.id)
    assert graded > 900


def test_shipped_suites_are_what_the_script_writes(tmp_path):
    subprocess.run([sys.executable, ROOT / "prompts/tasks/make.py", tmp_path], check=True)
    for path in [*SHIPPED, *ROOT.glob("prompts/**/*.jsonl")]:
        assert path.read_bytes() == (tmp_path / path.relative_to(ROOT / "prompts")).read_bytes(), path
