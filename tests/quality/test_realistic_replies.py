"""Replies as models write them, with the value that a reader takes from each; and properties of the graders."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evalkit.quality.graders.number import exact
from tests.quality.support import function
from tests.quality.test_careful_reader import passed

PASS, FAIL = True, False
WEATHER = function("get_weather", ["city"], city={"type": "string"})

NUMBERS = [
    # marked up
    (42, "**42**"), (42, "$42$"), (42, r"\boxed{42}"), (42, r"$$\boxed{42}.$$"), (42, r"\(42\)"), (42, "#### 42"), (42, "`42`"),
    (42, "<answer>42</answer>"), (42, r"\text{42 km}"), (42, r"42\,\text{km}"), (42, r"42\%"), (42, r"\$42"), (42, r"\mathbf{42}"),
    # digits of other scripts and of type
    (42, "The answer is ４２."), (42, "𝟒𝟐"), (42, "٤٢"), (42, "४२"), (42, "4\u200b2"), (42, "42\u200b"),
    # signs
    (-42, "-42"), (-42, "− 42"), (-42, "The answer is − 42."), (-42, "x = - 42"), (-42, "minus 42"), (-42, "It is negative 42."),
    (42, "50 - 8 = 42"), (42, "- 42"), (42, "~42"), (42, "≈ 42"), (5, "+5"), (8, "10 minus 8"), (-0.75, r"-\frac{3}{4}"),
    # thousands
    (1234, "$1,234.00"), (1234, "1\u202f234"), (1234, r"1\,234"), (1234, "1{,}234"), (1234567, r"1\,234\,567"), (1234567, "1.234.567"),
    (1234567, "1,234,567 people"), (1234.5, "1,234.5"), (0.001, "0.001"), (1.234, "1.234"),
    # powers, fractions, scales
    (3e6, r"3 \times 10^{6}"), (3e6, r"3 \cdot 10^6"), (3e6, "3·10⁶"), (3e6, "3 x 10^6"), (1e6, "1E+06"), (0.75, r"\frac34"),
    (0.75, r"\tfrac34"), (0.75, r"\dfrac{3}{4}"), (4.5, "4½"), (4.5, "4 1/2"), (2_000_000, "2 million"), (2, "2 million"),
    (2_500_000, "about 2.5 million people"), (300, "3 hundred"), (8, "2^3"), (8, "2³ = 8"),
    # units
    (42, "42°C"), (42, "42 km/h"), (42, "42€"), (42, "€42"), (42, "42 %"), (42, "the 42nd"),
    # what is denied is not the answer
    (3, "3 (not 4)"), (13, "It is not 12 but 13."), (13, "13, which isn't 12"), (13, "x = 13, so x ≠ 12"), (12, "12 is not the end"),
    (12, "not more than 12"),
]  # fmt: skip
NO_NUMBER = [
    (12, "It is not 12."), (12, "It can't be 12."), (12, r"x \neq 12"), (10, "x^10"), (10, "x^{10}"), (42, "1.42"), (42, "v42"),
    (7, "seven"), (5, "The answer is −5"), (2, "2k"), (1234, "1.234"), (4, "<think>4"), (3, r"\frac{1}{3}"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), NUMBERS)
def test_a_number_is_read_as_it_is_meant(value, text):
    assert passed({"number": value}, text) is True


@pytest.mark.parametrize(("value", "text"), NO_NUMBER)
def test_a_number_that_is_not_said_is_not_read(value, text):
    assert passed({"number": value}, text) is False


_WRITTEN = (
    str, "{:,}".format, lambda n: f"{n:,}".replace(",", "\u202f"), lambda n: f"{n:,}".replace(",", "'"),
    lambda n: f"{n:,}".replace(",", r"\,"), lambda n: f"{n:,}".replace(",", "{,}"), lambda n: f"{n}.0", lambda n: f"{n}.",
    lambda n: "".join(chr(0xFF10 + int(c)) for c in str(n)), lambda n: "".join(chr(0x660 + int(c)) for c in str(n)),
    lambda n: "\u200b".join(str(n)),
)  # fmt: skip
_AROUND = (
    "{}",
    "**{}**",
    "$\\boxed{{{}}}$",
    "The answer is {}",
    "x = {} km",
    "I checked 3 cases.\n\n{}",
    "`{}`",
    "({})",
    "{}%",
)


@given(st.integers(0, 10**9), st.sampled_from(_WRITTEN), st.sampled_from(_AROUND), st.booleans())
@example(1234567, _WRITTEN[4], "{}", True)
def test_a_whole_number_is_the_same_however_it_is_written(number, written, around, negative):
    text = around.format(("-" if negative else "") + written(number))
    assert passed({"number": -number if negative else number}, text) is True
    assert passed({"number": (-number if negative else number) + 1}, text) is False
    assert passed({"number": number}, around.format(f"not {written(number)}")) is (number == 3 and "3 cases" in around)


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error_in_whatever_form(text):
    assert exact(text) == exact(unicodedata.normalize("NFD", text))


TEXTS = [
    ({"contains": "don't"}, "I don’t know", PASS), ({"contains": "don’t"}, "I don't know", FAIL),
    ({"contains": '"yes"'}, "He said “yes”", PASS), ({"contains": "10-20"}, "10–20", PASS), ({"contains": "a b"}, "a\u00a0b", PASS),
    ({"equals": "a b"}, "a\u00a0b", PASS), ({"equals": "don't"}, "don’t", PASS), ({"contains": "fine"}, "It is ﬁne", PASS),
    ({"contains": "Paris"}, "It is P\u200baris.", PASS), ({"equals": "café"}, "cafe\u0301", PASS), ({"equals": "Paris"}, "Paris.", FAIL),
    ({"equals": "Paris"}, "P\u0430ris", FAIL), ({"contains": "Paris"}, "P\u0430ris", FAIL), ({"starts_with": "Dear"}, "\u200bDear", PASS),
    ({"starts_with": "I'm"}, "I’m here", PASS), ({"ends_with": "END"}, "END\u200b\n", PASS),
    # a dash that is asked for by itself is itself
    ({"contains": {"none": ["—"]}}, "a well-known thing", PASS), ({"contains": {"none": ["–"]}}, "a well-known thing", PASS),
    ({"contains": {"none": ["–"]}}, "pages 3–5", FAIL), ({"contains": {"none": ["..."]}}, "well…", FAIL),
    # what must not occur is found behind lookalikes, and nowhere else
    ({"contains": {"none": ["secret"]}}, "the s\u0435cret", FAIL), ({"contains": {"none": ["secret"]}}, "the ｓｅｃｒｅｔ", FAIL),
    ({"contains": {"none": ["secret"]}}, "the s e c r e t", PASS), ({"contains": {"none": ["secret"]}}, "секрет", PASS),
    ({"contains": {"none": ["POC"], "ignore_case": True}}, "рос", FAIL), ({"contains": {"none": ["не"]}}, "he said", PASS),
    ({"instructions": {"forbidden": ["secret"]}}, "the s\u0435cret word", FAIL), ({"instructions": {"forbidden": ["secret"]}}, "a secretary", PASS),
    ({"instructions": {"keywords": ["don't"]}}, "I don’t know", PASS), ({"instructions": {"keywords": ["cat"]}}, "concatenate", FAIL),
    # patterns see the text as a reader does, and as it is
    ({"regex": "caf\u00e9"}, "cafe\u0301", PASS), ({"regex": "^Paris$"}, "Pa\u200bris", PASS), ({"regex": "\u200b"}, "Pa\u200bris", PASS),
    ({"regex": {"pattern": "a", "count": 2}}, "a\u200ba", PASS), ({"not": {"regex": "secret"}}, "sec\u200bret", FAIL),
    # no sentence is understood: the docs say so
    ({"contains": "Paris"}, "It is not Paris.", PASS), ({"contains": {"any": ["Paris"], "none": ["London", "not Paris"]}}, "It is not Paris.", FAIL),
    # JSON is for machines: one that looks alike is another
    ({"json_match": {"city": "Paris"}}, '{"city": "P\u0430ris"}', FAIL), ({"json_match": {"city": "Paris"}}, '{"city": "Paris\\u200b"}', FAIL),
    ({"json_match": {"n": 42}}, '{"n": "42"}', FAIL), ({"json_match": {"n": 42}}, '{"n": 4.2e1}', PASS), ({"json_match": {"ok": True}}, '{"ok": 1}', FAIL),
    ({"json_match": {"ok": True}}, '{"ok": True}', FAIL), ({"json_match": {"a": 1}}, "{“a”: 1}", FAIL), ({"json_match": {"a": 1}}, '[{"a": 1}]', FAIL),
    ({"json_match": {"a": 1}}, '{"a": 2, "a": 1}', FAIL), ({"json_match": {"a": 1}}, '{"a": 1} {"a": 2}', FAIL),
    # counts
    ({"instructions": {"words": 3}}, "one\u200b two three", PASS), ({"instructions": {"words": 1}}, "state-of-the-art", PASS),
    ({"instructions": {"sentences": 1}}, "Visit www.example.com today.", PASS), ({"instructions": {"sentences": 1}}, "Wait...", PASS),
    ({"instructions": {"no_commas": True}}, "a、b", FAIL),
]  # fmt: skip


@pytest.mark.parametrize(("expect", "text", "wanted"), TEXTS, ids=[str(i) for i in range(len(TEXTS))])
def test_a_text_is_graded_as_it_is_read(expect, text, wanted):
    assert passed(expect, text) is wanted


CALLS = [
    ('{"city": "Oslo"}', PASS), ('{"city": "oslo"}', FAIL), ('{"city": "Oslo "}', FAIL), ('{"city": "O\u200bslo"}', FAIL),
    ('{"city": "Oslo", "unit": "C"}', FAIL), ('{"city": "Oslo"', FAIL), ('"{\\"city\\": \\"Oslo\\"}"', FAIL),
    ('{"city": "Oslo"}{"city": "Oslo"}', FAIL), ('{"city": "Rome", "city": "Oslo"}', FAIL), ("", FAIL), ("null", FAIL),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "wanted"), CALLS)
def test_a_call_is_right_or_wrong_as_the_tool_would_take_it(arguments, wanted):
    expect = {"tool_calls": [{"name": "get_weather", "args": {"city": "Oslo"}}]}
    assert passed(expect, "", ("get_weather", arguments), tools=[WEATHER], finish="tool_calls") is wanted
    twice = [("get_weather", arguments)] * 2
    assert passed(expect, "", *twice, tools=[WEATHER], finish="tool_calls") is False
    assert passed(expect, "", ("Get_Weather", arguments), tools=[WEATHER], finish="tool_calls") is False


_WORD = st.text(alphabet="abcdefghijklmnopqrstuvwxyzé", min_size=3, max_size=12)
_UNSEEN = st.sampled_from(["", "\u200b", "\u00ad", "\u2060"])


@given(_WORD, _UNSEEN, st.sampled_from(["NFC", "NFD"]))
def test_composing_and_what_nobody_sees_change_no_grade(word, unseen, form):
    hidden = unicodedata.normalize(form, unseen.join(word))
    assert passed({"contains": word}, f"so {hidden} it is") is True
    assert passed({"contains": {"none": [word]}}, f"so {hidden} it is") is False
    assert passed({"equals": word}, hidden) is True
    assert passed({"instructions": {"forbidden": [word]}}, f"so {hidden} it") is False


_LOOK = dict(zip("aeopcyxijs", "аеорсухіјѕ", strict=True))


@given(st.text(alphabet="aeopcyxijs", min_size=2, max_size=10), st.sets(st.integers(0, 9)))
def test_a_forbidden_word_hides_behind_no_letters_of_another_script(word, places):
    hidden = "".join(_LOOK[c] if i in places else c for i, c in enumerate(word))
    assert passed({"contains": {"none": [word]}}, f"Q {hidden} Q") is False
    assert passed({"instructions": {"forbidden": [word]}}, f"Q {hidden} Q") is False
    if hidden != word:
        assert passed({"contains": word}, f"Q {hidden} Q") is False
