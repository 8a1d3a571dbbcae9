from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.loader import load_checklist
from evalkit.checklist.schema import Request
from evalkit.checklist.yaml import MAX_DEPTH, parse_yaml
from evalkit.errors import InputFileError
from evalkit.quality.suite import load_suite

PATH = Path("list.yaml")


def refused(text):
    with pytest.raises(InputFileError) as caught:
        parse_yaml(text, PATH)
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: 1\nb: *x\n", 2, "no anchor &x"),
        ("a: *x\nb: &x 1\n", 1, "no anchor &x"),
        ("a: 1\nb: &x\n  c: [1, *x]\n", 3, "refers to itself"),
        ("? &k a\n: 1\n", 1, "a key has an anchor"),
        ("a: &x {b: 1}\n<<: *x\n", 2, "merge keys"),
        ("a: &x {b: 12:30}\nc: *x\n", 1, "put it in quotes"),
        ("a: 1\nb: 2\na: 3\n", 3, "appears twice"),
        ("a:\n  b: 1\n  b: 2\n", 3, "appears twice"),
        ("a: 1\n<<: {b: 2}\n", 2, "merge keys"),
        ("a: !!python/object:os.system x\n", 1, "tags"),
        ("a: !!str 1\n", 1, "tags"),
        ("a: 12:30\n", 1, "put it in quotes"),
        ("a: 1\nb: 010\n", 2, "put it in quotes"),
        ("a: 0o17\n", 1, "put it in quotes"),
        ("a: 2026-02-30\n", 1, "not a date"),
        ("a: 1\n---\nb: 2\n", 2, "more than one document"),
        ("a: [1, 2\n", 2, "not valid YAML"),
        ("a: 1\n b: 2\n", 2, "not valid YAML"),
        ("? [a, b]\n: 1\n", 1, "plain text"),
        ("\ta: 1\n", 1, "not valid YAML"),
    ],
)
def test_a_surprise_of_yaml_is_refused_with_its_line(text, line, says):
    error = refused(text)
    assert says in f"{error} {error.hint}"
    assert f"list.yaml:{line}" in str(error)


def test_an_alias_is_its_value_written_out_with_the_lines_where_it_was_written():
    document = parse_yaml("a: &x\n  b: [1, no]\nc: *x\nd: [*x, &x 2, *x]\n", PATH)
    assert document.data == {"a": {"b": [1, False]}, "c": {"b": [1, False]}, "d": [{"b": [1, False]}, 2, 2]}
    assert document.data["c"] is not document.data["a"]
    assert (document.lines["c"], document.lines["c.b.1"], document.lines["d.0.b"]) == (3, 2, 2)
    assert document.words["c.b.1"] == "no"


@given(
    st.recursive(
        st.integers() | st.booleans() | st.text("ab c", max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=12,
    )
)
def test_a_document_with_aliases_is_the_document_written_out(value):
    written = json.dumps(value)
    plain = parse_yaml(f'{{"x": {written}, "y": [{written}]}}', PATH)
    named = parse_yaml(f'{{"x": &v {written}, "y": [*v ]}}', PATH)
    assert named.data == plain.data
    assert set(named.lines) == set(plain.lines)


@pytest.mark.parametrize("values", [2, 9])
def test_a_bomb_of_aliases_ends_where_its_values_are_too_many(values):
    lines = ["a0: &a0 [" + "x, " * values + "]"]
    lines += [f"a{n + 1}: &a{n + 1} [" + f"*a{n} , " * values + "]" for n in range(40)]
    assert "values" in str(refused("\n".join(lines)))


def test_levels_behind_aliases_count():
    lines = ["a0: &a0 [x]"] + [f"a{n + 1}: &a{n + 1} [*a{n} ]" for n in range(MAX_DEPTH + 1)]
    assert "nested deeper" in str(refused("\n".join(lines)))


@pytest.mark.parametrize("opened", ["[", "{a: "])
def test_depth_is_bounded_before_python_gives_up(opened):
    assert "nested deeper" in str(refused(opened * 5000))
    assert parse_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH, PATH).data


def test_the_number_of_values_is_bounded():
    assert "values" in str(refused("[" + "1," * 200_001 + "]"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", False), ("Yes", True), ("off", False), ("nO", "nO"), ("'no'", "no"), ("'12:30'", "12:30"),
        ('"010"', "010"), ("0", 0), ("-3", -3), ("1.5", 1.5), ("1e3", 1000.0), ("~", None), (".inf", ".inf"),
        ("2026-11-24", date(2026, 11, 24)), ("0x1f", "0x1f"), ("9" * 19, int("9" * 19)), ("9" * 400, "9" * 400),
    ],
)  # fmt: skip
def test_plain_values_have_one_meaning(text, value):
    found = parse_yaml(f"a: {text}\n", PATH).data["a"]
    assert found == value
    assert type(found) is type(value)


def test_every_value_knows_its_line():
    found = parse_yaml("a: 1\nb:\n  c:\n    - x\n    - d: 2\n", PATH)
    assert found.lines["a"] == 1
    assert found.lines["b.c.0"] == 4
    assert found.lines["b.c.1.d"] == 5


#: what a YAML stream may hold at all, without what it reads as a line break inside quotes (U+2028, U+2029)
_NOT_TEXT = ("Cc", "Cs", "Cn", "Co", "Zl", "Zp")
TEXT = st.text(st.characters(exclude_categories=_NOT_TEXT, exclude_characters="\ufeff"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_json_means_the_same(data):
    text = json.dumps({"a": data}, ensure_ascii=False)
    assert parse_yaml(text, PATH).data == {"a": data}


@given(st.text(max_size=200))
def test_no_text_ends_in_anything_but_a_value_or_a_clear_error(text):
    said = ""
    try:
        parse_yaml(text, PATH)
    except InputFileError as error:
        said = str(error)
    assert not said or "list.yaml" in said


@pytest.mark.parametrize("word", ["NO", "no", "No", "on", "ON", "off", "yes", "Yes", "y", "Y", "n"])
@pytest.mark.parametrize(
    "expect",
    [
        "[{json_match: {country: WORD}}]", "[{json_match: {value: {a: [x, WORD]}}}]", "[{json_match: WORD}]",
        "[{equals: WORD}]", "[{contains: {any: [WORD]}}]", "[{all: [{json_match: {a: WORD}}]}]",
        "[{json_match: {exact: true, value: {exact: WORD}}}]", "[{instructions: {keywords: [WORD]}}]",
    ],
)  # fmt: skip
def test_a_word_of_yaml_1_1_where_a_text_is_meant_is_refused_with_its_line(tmp_path, word, expect):
    path = tmp_path / "suite.yaml"
    text = "suite: {name: s, kind: structured}\ncases:\n  - id: a\n    prompt: x\n    expect: EXPECT\n"
    path.write_text(text.replace("EXPECT", expect.replace("WORD", word)))
    with pytest.raises(InputFileError) as caught:
        load_suite(path, Request())
    assert caught.value.where == f"{path}:5"
    assert "quotes" in (caught.value.hint or "")
    path.write_text(text.replace("EXPECT", expect.replace("WORD", f'"{word}"')))
    assert load_suite(path, Request()).cases


@pytest.mark.parametrize(
    "text",
    [
        "{contains: {any: [x], ignore_case: yes}}", "{json_match: {value: {a: 1}, exact: on}}",
        "{not: {contains: {any: [x], ignore_case: no}}}", "{json_match: {a: {any_of: [b], optional: yes}}}",
        "{json_match: {NO: 1}}", "{json_match: {a: true, b: false}}", "{instructions: {no_commas: yes}}",
    ],
)  # fmt: skip
def test_where_true_or_false_is_meant_its_other_words_stay(tmp_path, text):
    path = tmp_path / "suite.yaml"
    path.write_text(f"suite: {{name: s, kind: chat}}\ncases:\n  - {{id: a, prompt: x, expect: [{text}]}}\n")
    assert load_suite(path, Request()).cases


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("request: {extra_body: {language: NO}}", True),
        ("request: {extra_body: {a: {b: [on]}}}", True),
        ("name: y", True),
        ("request: {system: NO}", True),
        ("use: {commercial: yes}", False),
        ("request: {extra_body: {language: 'NO', thinking: false}}", False),
        ("prompts: [on]", True),
    ],
)
def test_a_checklist_refuses_them_where_a_text_may_be_meant(tmp_path, line, refused):
    path = tmp_path / "checklist.yaml"
    head = "" if line.startswith("name") else "name: c\n"
    path.write_text(f"schema_version: 1\n{head}{line}\n")
    if not refused:
        assert load_checklist(path)
        return
    with pytest.raises(InputFileError) as caught:
        load_checklist(path)
    assert caught.value.where == f"{path}:{2 if not head else 3}"
    assert "quotes" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "tools",
    [
        "[{type: function, function: {name: f, parameters: {type: object, properties: {c: {enum: [NO, SE]}}}}}]",
        "[{type: function, function: {name: f, description: on, parameters: {type: object}}}]",
    ],
)
def test_tools_and_messages_refuse_them_too(tmp_path, tools):
    path = tmp_path / "suite.yaml"
    for more in (f"prompt: x, tools: {tools}", "messages: [{role: user, content: NO}]"):
        path.write_text(f"suite: {{name: s, kind: chat}}\ncases:\n  - {{id: a, {more}, expect: [{{contains: x}}]}}\n")
        with pytest.raises(InputFileError) as caught:
            load_suite(path, Request())
        assert "quotes" in (caught.value.hint or "")
