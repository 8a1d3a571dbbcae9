"""promptfoo configs: expansion, assertions, and that nothing of them is executed."""

from __future__ import annotations

import pytest

from evalkit.client.types import ChatRequest, Exchange
from evalkit.importers.promptfoo_asserts import mapped
from evalkit.quality.case import Case
from evalkit.quality.expectations import expectation
from evalkit.quality.graders import grade_one
from tests.importers.support import imported

CASE = Case("x", ChatRequest(({"role": "user", "content": "q"},)), ())
CONFIG = """
prompts:
  - "Translate to {{language}}: {{input}}"
  - file://chat.json
providers: [openai:gpt-4o]
tests:
  - description: hello
    vars: {language: [French, German], input: Hello 12:30}
    assert: [{type: icontains, value: 12:30}, {type: not-contains, value: "{{language}}"}]
  - vars: {language: yes, input: x}
    assert: [{type: llm-rubric, value: nice}]
"""


def write(folder, text, name="promptfooconfig.yaml"):
    (folder / "chat.json").write_text(
        '[{"role": "system", "content": "{{language}}"}, {"role": "user", "content": "{{input}}"}]'
    )
    path = folder / name
    path.write_text(text)
    return path


def test_prompts_times_tests_times_lists_of_variables(tmp_path):
    found = imported(write(tmp_path, CONFIG))
    cases = {case["id"]: case for case in found.cases}
    assert set(cases) == {"hello.1/1", "hello.1/2", "hello.2/1", "hello.2/2"}
    assert cases["hello.1/1"]["prompt"] == "Translate to French: Hello 12:30"
    assert [m["content"] for m in cases["hello.2/2"]["messages"]] == ["German", "Hello 12:30"]
    assert cases["hello.1/1"]["expect"][1] == {"not": {"contains": {"any": ["French"]}}}
    assert cases["hello.1/1"]["cluster"] == cases["hello.1/2"]["cluster"] != cases["hello.2/1"]["cluster"]
    assert [row["prompt"] for row in found.rows() if "prompt" in row] == ["Translate to yes: x"]
    assert found.count("lost", "llm-rubric") == 2
    assert found.count("lost", "providers") == 1
    assert len(found.suite().cases) == 4


def test_a_case_that_loses_an_assertion_is_partial(tmp_path):
    text = "prompts: ['{{q}}']\ntests:\n  - vars: {q: a}\n    assert: [{type: contains, value: b}, {type: similar, value: c}]\n"
    found = imported(write(tmp_path, text))
    (case,) = found.suite().cases
    assert "partial" in case.tags
    assert found.document["partial_cases"] == 1


@pytest.mark.parametrize(
    "prompt",
    ["file://make.js", "file://make.py:build", "exec:./run.sh", "python:make.py", "file://../outside.txt", "file:///etc/passwd",
     "https://example.com/prompt.txt", "file://*.txt", "{{env.SECRET}}", "{% include 'x' %}", "{{ range(9) }}",
     "{{ q.__class__.__mro__ }}", "{{missing}}"],
)  # fmt: skip
def test_code_files_elsewhere_and_other_templates_are_listed_and_never_used(tmp_path, prompt, monkeypatch):
    monkeypatch.setenv("SECRET", "do-not-show")
    (tmp_path / "config").mkdir()
    (tmp_path / "outside.txt").write_text("do-not-show")
    for name in ("make.js", "make.py", "run.sh"):
        (tmp_path / "config" / name).write_text("touch ran; open('ran','w')")
    text = f"prompts: [{prompt!r}, 'plain {{{{q}}}}']\ntests: [{{vars: {{q: a}}, assert: [{{type: contains, value: b}}]}}]\n"
    found = imported(write(tmp_path / "config", text))
    assert [case["prompt"] for case in found.cases] == ["plain a"]
    assert sum(one.count for one in found.tally.left_out.values()) == 1
    assert "do-not-show" not in "".join(path.read_text() for path in found.folder.iterdir())
    assert not list(tmp_path.rglob("ran"))


def test_tests_of_a_table_beside_the_config_are_read(tmp_path):
    (tmp_path / "t.csv").write_text(
        'q,__expected1,__expected2,__description\nHi,"contains-any: Hoi, Hallo",Hallo you,first\n'
    )
    found = imported(write(tmp_path, "prompts: ['Dutch: {{q}}']\nproviders: []\ntests: file://t.csv\n"))
    (case,) = found.cases
    assert case["id"] == "first"
    assert case["expect"] == [
        {"contains": {"any": ["Hoi", "Hallo"]}}, {"equals": {"any": ["Hallo you"], "strip": False}},
    ]  # fmt: skip


def test_anchors_and_merge_keys_are_read_and_a_bomb_is_not(tmp_path):
    text = "prompts: ['{{q}}']\nx: &a [{type: contains, value: b}]\ntests: [{vars: {q: 1}, assert: *a}, {vars: {q: 2}, assert: *a}]\n"
    assert len(imported(write(tmp_path, text)).cases) == 2
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(Exception, match="values"):
        imported(write(tmp_path, f"prompts: ['x']\ntests: []\n{bomb}"))


GOOD_AND_BAD = [
    ({"type": "equals", "value": "Paris"}, "Paris", "Paris "),
    ({"type": "equals", "value": {"a": 1}}, '{"a": 1}', '{"a": 1, "b": 2}'),
    ({"type": "contains", "value": 0}, "10", "1"),
    ({"type": "icontains", "value": "PARIS"}, "in paris", "rome"),
    ({"type": "contains-all", "value": ["a", "b"]}, "ab", "a"),
    ({"type": "icontains-any", "value": ["A", "B"]}, "b", "c"),
    ({"type": "starts-with", "value": "Dear "}, "Dear you", "Dearyou"),
    ({"type": "regex", "value": r"\d{4}"}, "in 2024", "in 24"),
    ({"type": "is-json"}, "[1]", "see [1]"),
    ({"type": "contains-json", "value": {"type": "object", "required": ["a"]}}, 'see {"a": 1}', 'see {"b": 1}'),
    ({"type": "word-count", "value": {"min": 2, "max": 3}}, "one two", "one"),
    ({"type": "not-contains", "value": "sorry"}, "fine", "sorry"),
    ({"type": "assert-set", "threshold": 0.5, "assert": [{"type": "contains", "value": "a"}, {"type": "contains", "value": "b"}]},
     "a", "c"),
]  # fmt: skip


@pytest.mark.parametrize(("assertion", "good", "bad"), GOOD_AND_BAD)
def test_a_mapped_assertion_says_what_promptfoo_says(assertion, good, bad):
    found = mapped([assertion])
    assert not found.lost
    (written,) = found.expect
    for text, passes in ((good, True), (bad, False)):
        reply = Exchange(ok=True, text=text, finish_reason="stop")
        assert grade_one(expectation(written, "x"), reply, CASE).passed is passes


@pytest.mark.parametrize(
    "assertion",
    [{"type": "javascript", "value": "true"}, {"type": "python", "value": "True"}, {"type": "contains", "value": "file://x.txt"},
     {"type": "contains", "value": "x", "transform": "output.trim()"}, {"type": "regex", "value": "(["}, {"type": "levenshtein"},
     {"type": "not-similar"}, {"value": "x"}, "contains: x", {"type": "contains"}, {"type": "contains", "value": "x", "weight": 0}],
)  # fmt: skip
def test_an_assertion_without_a_grader_is_lost_and_named(assertion):
    found = mapped([assertion])
    assert not found.expect
    assert len(found.lost) == 1


def test_a_threshold_is_a_number_of_assertions_only_where_none_is_missing():
    three = [{"type": "contains", "value": word} for word in "abc"]
    assert mapped(three, 0.5).expect[0]["at_least"]["n"] == 2
    assert mapped(three, 1).expect == mapped(three).expect
    assert mapped([*three, {"type": "similar", "value": "x"}], 0.5).expect == []
    assert mapped([{**three[0], "weight": 3}, *three[1:]], 0.5).expect == []
