"""A day's trace in short: killed in the middle of a block and resumed, each request is counted once."""

from __future__ import annotations

import pytest

from tests.run.day import check, replayed


@pytest.mark.slow
def test_a_trace_that_is_killed_in_a_block_and_resumed_counts_each_request_once(tmp_path):
    day = replayed(tmp_path, 160, 10_000, kill_after=1)
    check(day)
    assert day.blocks == 8
    assert day.ends == {"a": 160}
