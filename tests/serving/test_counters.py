"""Prompt tokens and hits of the prefix cache by a server's own counters."""

from __future__ import annotations

import pytest

from evalkit.serving.counters import grown, prefix_of, sampled

SGLANG = (
    'sglang:prompt_tokens_total{is_streaming="false"} 209.0\nsglang:prompt_tokens_total{is_streaming="true"} 5348.0\n'
)
HITS = 'sglang:cached_tokens_total{cache_source="device"} 2236.0\n'
VLLM = 'vllm:prefix_cache_queries_total{engine="0"} 42.0\nvllm:prefix_cache_hits_total{engine="0"} 0.0\n'


@pytest.mark.parametrize(
    ("page", "found"),
    [(SGLANG + HITS, (5557.0, 2236.0)), (SGLANG, (5557.0, 0.0)), (VLLM, (42.0, 0.0)), (HITS, None), ("", None)],
)
def test_both_are_summed_over_labels_and_hits_are_zero_until_there_is_one(page, found):
    assert prefix_of(sampled(page)) == found


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [((10.0, 2.0), (30.0, 12.0), (20, 10)), ((10.0, 2.0), (5.0, 0.0), None), ((10.0, 2.0), (10.0, 2.0), None),
     (None, (5.0, 0.0), None), ((5.0, 0.0), None, None)],
)  # fmt: skip
def test_a_server_that_was_started_again_or_tells_nothing_is_unknown(before, after, found):
    assert grown(before, after) == found
