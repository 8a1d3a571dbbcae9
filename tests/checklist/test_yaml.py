from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.yaml import MAX_DEPTH, parse_yaml
from evalkit.errors import InputFileError

PATH = Path("list.yaml")


def refused(text):
    with pytest.raises(InputFileError) as caught:
        parse_yaml(text, PATH)
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: &x 1\nb: *x\n", 1, "anchors"),
        ("a: 1\nb: *x\n", 2, "anchors"),
        ("? &k a\n: 1\n", 1, "anchors"),
        ("a: 1\nb: 2\na: 3\n", 3, "appears twice"),
        ("a:\n  b: 1\n  b: 2\n", 3, "appears twice"),
        ("a: 1\n<<: {b: 2}\n", 2, "merge keys"),
        ("a: !!python/object:os.system x\n", 1, "tags"),
        ("a: !!str 1\n", 1, "tags"),
        ("a: 12:30\n", 1, "put it in quotes"),
        ("a: 1\nb: 010\n", 2, "put it in quotes"),
        ("a: 0o17\n", 1, "put it in quotes"),
        ("a: 2026-02-30\n", 1, "no date"),
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


def test_a_bomb_of_aliases_ends_at_the_first_anchor():
    lines = ["a: &a [x, x]"] + [f"{b}: &{b} [*{a}, *{a}]" for a, b in zip("abcdefgh", "bcdefghi", strict=False)]
    assert "list.yaml:1" in str(refused("\n".join(lines)))


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


#: what a YAML stream may hold at all
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co"), exclude_characters="\ufeff"), max_size=20)
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
