"""Which mode a stream shows by its token deltas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.serving.observe import classify, reconcile


@pytest.mark.parametrize(
    ("deltas", "shape", "block"),
    [
        ([1] * 40, "tokens", None),
        ([1] * 35 + [2, 3, 2], "tokens", None),  # held back by the detokenizer
        ([1, *[4] * 30, 3], "blocks", 4),
        ([6, 32, 32, 32, 32, 7], "blocks", 32),
        ([3, 4, 4, 8, 4, 4, 4, 2], "blocks", 4),  # two blocks in one event
        ([1, 4, 4, 6, 6, 6, 6, 6, 3], "runs", None),
        ([1, 5, 1, 3, 2, 7, 2], "runs", None),
        ([6, 32, 2], None, None),
        ([1, 1, 1], None, None),
        ([], None, None),
    ],
)
def test_token_deltas_are_told_apart(deltas, shape, block):
    seen = classify(deltas)
    assert (seen.shape, seen.block) == (shape, block)


def test_a_stream_interval_makes_the_stream_say_nothing():
    assert classify([4] * 30, stream_interval=4).shape is None


def test_speculation_with_every_draft_accepted_is_not_called_diffusion():
    assert reconcile("speculative", classify([1, *[6] * 20, 2])).mode is None
    assert reconcile("diffusion", classify([1, *[6] * 20, 2])).mode == "diffusion"


def test_a_self_speculation_server_with_runs_of_one_is_seen_as_autoregressive():
    assert reconcile("self-speculation", classify([1] * 60)).mode == "autoregressive"


@given(st.lists(st.integers(1, 300), max_size=80))
def test_any_deltas_are_classified_without_an_error(deltas):
    seen = classify(deltas)
    assert seen.why
    if seen.shape == "tokens":
        assert sum(d == 1 for d in deltas[1:]) >= 0.9 * len(deltas[1:])


@given(st.integers(2, 64), st.integers(4, 40), st.data())
def test_constant_blocks_are_always_blocks(size, count, data):
    first, last = data.draw(st.integers(1, size)), data.draw(st.integers(1, size))
    assert classify([first, *[size] * count, last]).block == size
