"""What users, models and servers can do wrong, beyond the table of suite mistakes: named, bounded, never a silent zero."""

from __future__ import annotations

import json
import time

import pytest

from evalkit.checklist.loader import load_checklist
from evalkit.checklist.schema import Request
from evalkit.client.types import Exchange, ExchangeError
from evalkit.errors import InputFileError
from evalkit.quality.graders import grade_one
from evalkit.quality.grading import answer, grade_exchange
from evalkit.quality.suite import load_suite, load_suites
from tests.quality.support import case, function, said, suite_file

HEAD = "suite: {name: s, kind: chat}\ncases:\n"
TOOL = function("get", ["n"], n={"type": "integer"})
NASTY = {
    "ten megabytes of words": "word " * 2_000_000,
    "ten megabytes of one letter": "a" * 10_000_000,
    "a deep bracket": "[" * 1_000_000,
    "control and bidi": "\x1b[2J\u202e\u0000\ufffe hello \x9b31m <|mask|>",
    "fences": "```\n" * 200_000,
    "call markers": "<tool_call>" * 100_000,
    "open braces": '{"a": ' * 50_000,
    "white space": " \n\t " * 500_000,
}


@pytest.mark.parametrize("name", sorted(NASTY))
def test_any_reply_is_graded_stored_and_bounded(name, tmp_path):
    suite = suite_file(
        tmp_path,
        HEAD
        + "  - id: a\n    prompt: q\n    tools: [{type: function, function: {name: get, parameters: {type: object}}}]\n"
        "    expect: [no_tool_call, no_loop, no_duplicates, clean_end, no_special_tokens, {json_match: {a: 1}}]\n",
    )
    began = time.process_time()
    one = answer("diffusion", suite, suite.cases[0], said(NASTY[name]))
    assert time.process_time() - began < 30  # minutes would mean that something is quadratic
    assert one.passed is False
    assert all(grade.passed is not None for grade in one.grades)
    assert all(len(grade.reason) < 600 and "\x1b" not in grade.reason for grade in one.grades)
    assert one.model_dump_json()


def test_a_schema_pattern_that_backtracks_for_ever_leaves_the_case_unscored():
    schema = {"type": "object", "properties": {"s": {"type": "string", "pattern": "^(a|a|aa)+$"}}}
    one = case({"json_schema": {"schema": schema}})
    grade = grade_one(one.expect[0], said(json.dumps({"s": "a" * 60 + "b"})), one)
    assert grade.passed is None
    assert "bounded time" in grade.reason


@pytest.mark.parametrize("kind", ["timeout", "http", "protocol", "stream-error", "incomplete", "empty", "aborted"])
def test_a_request_that_failed_is_unscored_and_never_a_zero(kind):
    graded = grade_exchange(case("json"), Exchange(ok=False, error=ExchangeError(kind=kind, message="x"), text='{"a":'))
    assert (graded.passed, graded.score, graded.grades) == (None, None, ())


def test_a_reply_that_was_cut_is_told_from_one_that_abstains():
    one = case("no_tool_call", tools=[TOOL])
    cut = grade_exchange(one, said("I would rather", finish="length"))
    assert (cut.passed, cut.tool_outcome, cut.signals.truncated) == (False, "truncated", True)
    assert "cut off" in cut.grades[0].reason


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("[/etc/passwd]", None),
        ("[notes.txt]", "is not"),
        ("[huge.png]", "larger"),
        ("['file:///etc/passwd']", "not addresses"),
    ],
)
def test_images_come_from_beside_the_suite_and_are_images(tmp_path, images, message):
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "notes.txt").write_text("x")
    with (folder / "huge.png").open("wb") as file:
        file.truncate(11 << 20)
    with pytest.raises(InputFileError, match=message):
        suite_file(folder, HEAD + f"  - {{id: a, prompt: q, images: {images}, expect: [contains: x]}}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  - {id: a, prompt: q, expect: [contains: x], params: {max_token: 5}}\n", "max_token"),
        ("  - {id: a, prompt: q, expect: [contains: x], params: {temperature: hot}}\n", "temperature"),
        ("  - {id: a, messages: [{content: hi}], expect: [contains: x]}\n", "role"),
        ("  - {id: a, prompt: q, repeats: 0, expect: [contains: x]}\n", "repeats"),
        ("  - {id: a, prompt: q, severity: fatal, expect: [contains: x]}\n", "severity|fatal|one of"),
        ("  - {id: a, prompt: q, expect: [{not: {python_tests: 'assert 1'}}]}\n", "cannot be used inside"),
        ("  - {id: a, prompt: q, expect: [{weight: 2}]}\n", "one grader an entry"),
        ("  - {id: a, prompt: q, expect: [{contains: x, weight: -1}]}\n", "weight"),
        ("  - {id: a, prompt: q, expect: [{all: []}]}\n", "empty list"),
        ("  - {id: a, prompt: q, expect: [{language: elvish}]}\n", "unknown script"),
        ("  - {id: a, prompt: q, expect: [clean_end, finish_reason: length]}\n", "contradiction"),
        ("  - {id: a, prompt: q, expect: [number: 3, number: 4]}\n", "contradiction"),
        ("  - {id: a, prompt: q, tools: [{type: function}], expect: [no_tool_call]}\n", "each tool is"),
        ("  - &x {id: a, prompt: q, expect: [contains: x]}\n  - *x\n", "already used"),
        ("  - just a text\n", "mapping"),
    ],
)
def test_more_mistakes_in_a_suite_are_named(tmp_path, text, message):
    with pytest.raises(InputFileError, match=message) as caught:
        suite_file(tmp_path, HEAD + text)
    assert "suite.yaml" in caught.value.where


def test_two_suites_of_one_name_are_refused(tmp_path):
    text = HEAD + "  - {id: a, prompt: q, expect: [contains: x]}\n"
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(text)
    with pytest.raises(InputFileError, match="already the name"):
        load_suites([tmp_path / "one.yaml", tmp_path / "two.yaml"], Request())


def test_an_id_used_in_the_suite_and_in_its_bulk_file_is_refused_with_both_places(tmp_path):
    (tmp_path / "bulk.jsonl").write_text('{"id": "a", "prompt": "q", "expect": ["json"]}\n')
    with pytest.raises(InputFileError, match=r"already used at .*suite\.yaml:3") as caught:
        suite_file(
            tmp_path,
            "suite: {name: s, kind: chat, import: bulk.jsonl}\ncases:\n  - {id: a, prompt: q, expect: [json]}\n",
        )
    assert caught.value.where.endswith("bulk.jsonl:1")


def test_no_such_suite_and_a_binary_one_are_named(tmp_path):
    with pytest.raises(InputFileError, match="no"):
        load_suite(tmp_path / "nowhere.yaml", Request())
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00suite")
    with pytest.raises(InputFileError):
        load_suite(tmp_path / "b.yaml", Request())


def test_a_checklist_cannot_allow_that_a_models_code_runs(tmp_path):
    path = tmp_path / "checklist.yaml"
    path.write_text("items: {quality: {allow_exec: true}}\n")
    with pytest.raises(InputFileError, match="--allow-exec") as caught:
        load_checklist(path)
    assert caught.value.where.endswith("checklist.yaml:1")
