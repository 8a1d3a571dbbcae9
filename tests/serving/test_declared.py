from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.serving import declared
from evalkit.serving.observe import classify, reconcile


@pytest.mark.parametrize(
    ("settings", "mode", "block_loop"),
    [
        ({"dllm_algorithm": "FastDiffuser", "ar_mode": True}, "autoregressive", True),
        ({"dllm_algorithm": "LinearSpec", "ar_mode": True}, "autoregressive", True),
        ({"dllm_algorithm": "LinearSpec"}, "self-speculation", False),
        ({"dllm_algorithm": "FastDiffuser", "ar_mode": False}, "diffusion", False),
        ({"dllm_algorithm": "LearnedSampler"}, "diffusion", False),
        ({"dllm_algorithm": "LowConfidence"}, "diffusion", False),
        ({"dllm_algorithm": "JointThreshold"}, "diffusion", False),
        ({"dllm_algorithm": "JointThresholdInDel"}, "diffusion", False),
        ({"dllm_algorithm": "Gemma4Renoise", "speculative_algorithm": "EAGLE"}, "diffusion", False),
        ({"dllm_algorithm": None, "speculative_algorithm": "NGRAM"}, "speculative", False),
        ({"dllm_algorithm": None, "speculative_algorithm": None}, "autoregressive", False),
        ({"dllm_algorithm": "SomethingNew"}, None, False),
        ({}, None, False),
    ],
)
def test_the_decision_table_of_sglang(settings, mode, block_loop):
    said = declared.sglang(settings)
    assert (said.mode, said.block_loop) == (mode, block_loop)
    assert said.why


@pytest.mark.parametrize(
    ("version", "settings", "kind"),
    [
        ("0.5.23", {}, "release"),
        ("0.32.0+cpu", {}, "release"),
        ("0.5.6.post2", {}, "release"),
        ("0.5.24rc1", {}, "pre-release"),
        ("0.5.24.dev12+g1a2b3c4", {}, "pre-release"),
        ("0.0.0.dev1+g23472a0", {}, "fork"),
        ("0.5.23", {"dllm_algorithm": "LinearSpec"}, "fork"),
        (None, {}, "unknown"),
    ],
)
def test_the_kind_of_a_build(version, settings, kind):
    assert declared.release(version, settings) == kind


def test_the_commit_is_read_from_the_version():
    assert declared.commit("0.0.0.dev1+g23472a0") == "23472a0"


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
