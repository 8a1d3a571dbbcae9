"""The end of a reply that repeats itself, found as trying every period finds it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.quality.degeneration import tail_loop


def slowly(text):
    text = text.rstrip()
    best = 0
    for period in range(1, len(text)):
        span = period
        while span < len(text) and text[-span - 1] == text[-span - 1 + period]:
            span += 1
        if span >= max((2 if period >= 200 else 3) * period, 60):
            best = max(best, span)
    return best / len(text) if text else 0.0


pieces = st.text(alphabet="ab \n", max_size=30)


@given(pieces, st.text(alphabet="ab-", min_size=1, max_size=25), st.integers(1, 90), pieces)
def test_every_loop_is_found_at_its_length(head, passage, times, rest):
    text = (head + passage * times + rest)[-900:]
    assert tail_loop(text) == pytest.approx(slowly(text))


@given(st.text(alphabet="abc. ", min_size=190, max_size=260), st.integers(1, 3), pieces)
def test_long_passages_need_to_stand_but_twice(passage, times, head):
    text = head + passage * times
    assert tail_loop(text) == pytest.approx(slowly(text))


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("yes " * 10, 0.0),  # under 60 characters
        ("x" * 24_000, 1.0),
        ("Begin. " + "over and over " * 50_000, 1.0),
        ("A start. " + "and then it goes on " * 40, 800 / 809),
        ("Intro.\n" + ("Line of a table\n" + "-" * 250 + "\n") * 4, None),
    ],
)
def test_rulers_short_words_and_plain_loops(text, share):
    assert tail_loop(text) == pytest.approx(slowly(text) if share is None else share, abs=0.02)
