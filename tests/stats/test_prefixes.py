"""Shares of texts and beginnings that were there before, against counting by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.prefixes import STEP, Prefixes


def read(texts):
    seen = Prefixes()
    for text in texts:
        seen.add(text)
    return seen


def by_hand(texts):
    """Whole texts seen before, and characters of the longest beginning in whole steps that an earlier text has."""
    again = shared = 0
    for n, text in enumerate(texts):
        if text in texts[:n]:
            again, shared = again + 1, shared + len(text)
            continue
        steps = range(len(text) // STEP, 0, -1)
        shared += next((k * STEP for k in steps if any(o.startswith(text[: k * STEP]) for o in texts[:n])), 0)
    return again, shared


@given(st.lists(st.builds(lambda parts, tail: "".join(parts) + tail,
                          st.lists(st.sampled_from(["a" * STEP, "b" * STEP, "c" * 7]), max_size=4),
                          st.text("xy", max_size=3)), max_size=12))  # fmt: skip
def test_it_equals_counting_by_hand(texts):
    seen = read(texts)
    again, shared = by_hand(texts)
    assert (seen.texts, seen.again, seen.shared) == (len(texts), again, shared)
    assert seen.characters == sum(map(len, texts))
    assert 0 <= seen.repeated <= 1
    assert 0 <= seen.share <= 1


def test_a_common_system_prompt_is_shared_and_no_request_repeats():
    system = "You are the assistant of a bank. " * 20
    seen = read([f"{system} Question {n}" for n in range(50)])
    assert seen.repeated == 0
    assert 0.85 < seen.share < 1


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("evalkit.stats.prefixes._MOST", 10)
    seen = read([f"{n}" * STEP * 8 for n in range(10)])
    assert len(seen._begun) == 10
    assert seen.share == 0
