"""Replies that are another prompt's with words filled in, or the prompt again; and honest ones that are neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.analysis.copies import frame, sketch, strangers
from evalkit.analysis.replies import characters, gist, signs
from evalkit.client.types import Exchange, ToolCall
from evalkit.findings import Bits
from evalkit.quality.echo import repeats_the_prompt, says_the_prompt
from evalkit.redaction import _hider

TEXT = "The river rises in the hills, grows with every brook, turns twice around the old town and meets the sea."
ASKED = "Summarise the minutes of meeting {} of the harbour board for readers in a hurry."
WORDS = st.text(alphabet="abcdefghij ", min_size=1, max_size=60)


@given(number=st.integers(0, 10**9), other=st.integers(0, 10**9), blanks=st.sampled_from([" ", "\n", "\u200b ", "  "]))
def test_numbers_and_words_of_the_prompt_change_no_frame(number, other, blanks):
    one, two = ASKED.format(number), ASKED.format(other)
    assert (
        frame(f"Meeting {number}: {TEXT}", one)
        == frame(f"{other}{blanks}{TEXT.upper()} harbour board!", two)
        is not None
    )


@given(WORDS)
def test_any_word_of_its_own_makes_another_frame(word):
    held = frame(f"{TEXT} zzz{word}", ASKED.format(1)) != frame(TEXT, ASKED.format(2))
    assert held


def test_short_replies_have_no_frame():
    assert frame("The answer is 42.", "What is six times seven?") is None
    assert frame("", "") is None


@pytest.mark.parametrize(
    ("reply", "prompt", "again"),
    [
        (ASKED, ASKED, True),
        (f"Sure! {ASKED} {ASKED}", ASKED, True),
        (ASKED.upper().replace(" ", "\n"), ASKED, True),
        (TEXT, ASKED, False),
        (f"{TEXT} {ASKED}", ASKED, False),
        ("Oslo", "Is Oslo the capital of Norway, and since when is it?", False),  # too short to say anything
        ("", ASKED, False),
    ],
)
def test_a_reply_that_is_its_prompt(reply, prompt, again):
    assert says_the_prompt(reply, prompt) is again
    assert ("the prompt's own words" in signs(Exchange(ok=True, text=reply), prompt)) is again


def test_a_quoted_part_of_a_prompt_is_an_answer_and_the_whole_is_none():
    asked = f"{TEXT} Quote from the text where the river turns, and nothing else."
    quoted = "The river rises in the hills, grows with every brook, turns twice around the old town"
    assert says_the_prompt(quoted, asked)
    assert not repeats_the_prompt(quoted, asked)
    assert repeats_the_prompt(f"**{asked}**", asked)
    assert repeats_the_prompt(asked.upper().replace(" ", "\n"), asked)


def call(**said: str) -> Exchange:
    return Exchange(ok=True, tool_calls=(ToolCall(name="f", arguments=str(said)),))


def test_a_call_is_a_sign_where_no_tool_was_offered_and_calls_tell_replies_apart():
    assert signs(call(city="Oslo")) == ("calls that were not offered",)
    assert gist(call(city="Oslo")) == gist(call(city="Oslo"))
    assert gist(call(city="Oslo")) != gist(call(city="Rome"))


@given(st.text(alphabet="\u0300\u0301\u0308\u20dd\u200b", max_size=50))
def test_stacked_marks_make_no_reply_longer(marks):
    assert characters(Exchange(ok=True, text=f"Oslo{marks}")) == 4


FIRST, SECOND = (
    "Rivers bend because water on the outside of a curve runs faster, cuts into its bank and carries the soil away.",
    "Bread rises when yeast eats the sugars of the flour: the gas is caught in strands of gluten and lifts the dough.",
)
IN_OTHER_WORDS = (
    "Water runs faster on the outside of a curve, so it cuts into that bank, and the river bends a little more."
)
CHINESE = "河流弯曲是因为外侧的水流更快,不断冲刷河岸并带走泥土。"


@pytest.mark.parametrize(
    ("reply", "strange"),
    [(FIRST, False), (IN_OTHER_WORDS, False), (SECOND, True), ("Dough is warm and it is light and full of air that yeast has made in an hour.", True)],
)  # fmt: skip
def test_a_reply_that_is_about_something_else_is_a_stranger(reply, strange):
    base = {"rivers": sketch(FIRST), "bread": sketch(SECOND), "chinese": sketch(CHINESE)}
    assert strangers({"rivers": sketch(reply)}, base) == ({"rivers"} if strange else set())


def test_a_script_without_blanks_is_compared_by_pairs_of_characters():
    near = CHINESE.replace("不断", "总是")
    base = {"a": sketch(CHINESE), "b": sketch(FIRST)}
    assert strangers({"a": sketch(near)}, base) == set()
    assert sketch("河流弯曲") is None, "too few to compare"


def test_replies_that_are_alike_in_all_prompts_are_no_strangers():
    """A form that is filled in: each is near to all others, and its own is no nearer."""
    base = {str(n): sketch(f"{FIRST} Part {n} of the answer.") for n in range(9)}
    assert strangers({str(n): sketch(f"{IN_OTHER_WORDS} Part {8 - n}.") for n in range(9)}, base) == set()


def test_a_hidden_sketch_shares_as_much_and_says_no_word():
    key, other = b"k" * 32, b"o" * 32
    pairs = [_hider(Bits)(sketch(text), key) for text in (FIRST, SECOND, IN_OTHER_WORDS)]
    shared = [
        (int(sketch(a), 16) & int(sketch(b), 16)).bit_count() for a, b in ((FIRST, SECOND), (FIRST, IN_OTHER_WORDS))
    ]
    assert [(int(pairs[0], 16) & int(pairs[n], 16)).bit_count() for n in (1, 2)] == shared
    assert sketch(FIRST) != pairs[0] != _hider(Bits)(sketch(FIRST), other)
