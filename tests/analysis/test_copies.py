"""Replies that are another prompt's with words filled in, or the prompt again; and honest ones that are neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.analysis.copies import frame, says_the_prompt
from evalkit.analysis.replies import characters, gist, signs
from evalkit.client.types import Exchange, ToolCall

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


def call(**said: str) -> Exchange:
    return Exchange(ok=True, tool_calls=(ToolCall(name="f", arguments=str(said)),))


def test_a_call_is_a_sign_where_no_tool_was_offered_and_calls_tell_replies_apart():
    assert signs(call(city="Oslo")) == ("calls that were not offered",)
    assert gist(call(city="Oslo")) == gist(call(city="Oslo"))
    assert gist(call(city="Oslo")) != gist(call(city="Rome"))


@given(st.text(alphabet="\u0300\u0301\u0308\u20dd\u200b", max_size=50))
def test_stacked_marks_make_no_reply_longer(marks):
    assert characters(Exchange(ok=True, text=f"Oslo{marks}")) == 4
