"""What benchmarks/tools.py reads from the files of guidellm and aiperf."""

from __future__ import annotations

import argparse
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from benchmarks import tools

REPORTS = Path(__file__).parents[1] / "fixtures/tools"
GUIDELLM = json.loads((REPORTS / "guidellm-0.8.1.json").read_text())
AIPERF = json.loads((REPORTS / "aiperf-0.13.0.json").read_text())
READERS = [(tools.read_guidellm, GUIDELLM), (tools.read_aiperf, AIPERF)]


def test_guidellm_latency_in_seconds_becomes_milliseconds_and_its_other_means_stay() -> None:
    read = tools.read_guidellm(GUIDELLM)
    assert (read.version, read.requests) == ("0.8.1", 16)
    assert read.e2e == pytest.approx(1371.3771, abs=1e-4)
    assert read.ttft == pytest.approx(112.0120, abs=1e-4)
    assert read.itl == pytest.approx(19.9762, abs=1e-4)
    assert read.per_token == pytest.approx(21.4142, abs=1e-4)
    assert read.chunk_gap is None
    assert read.warnings == ("generation_delay_ttft",)


def test_aiperf_means_are_read_in_its_milliseconds() -> None:
    read = tools.read_aiperf(AIPERF)
    assert (read.version, read.requests) == ("0.13.0", 16)
    assert read.e2e == pytest.approx(1366.5710, abs=1e-4)
    assert read.ttft == pytest.approx(115.7750, abs=1e-4)
    assert read.itl == pytest.approx(19.8539, abs=1e-4)
    assert read.chunk_gap == pytest.approx(19.8539, abs=1e-4)
    assert read.per_token is None


@pytest.mark.parametrize(("read", "report"), READERS)
def test_the_inter_token_latency_read_is_the_formula_that_the_docs_explain(read: Any, report: Any) -> None:
    """(E2E - TTFT) / (tokens - 1), up to the moments between the last token and the end."""
    figures = read(report)
    assert figures.itl == pytest.approx((figures.e2e - figures.ttft) / 63, rel=0.01)


@pytest.mark.parametrize(
    ("read", "report", "path", "value"),
    [
        (tools.read_guidellm, GUIDELLM, ("benchmarks", 0, "metrics", "request_totals", "errored"), 2),
        (tools.read_guidellm, GUIDELLM, ("benchmarks", 0, "metrics", "request_totals", "incomplete"), 1),
        # means of no request are 0.0 in guidellm's file, which reads as infinitely fast
        (tools.read_guidellm, GUIDELLM, ("benchmarks", 0, "metrics", "request_totals", "successful"), 0),
        (tools.read_guidellm, GUIDELLM, ("benchmarks",), []),
        (tools.read_aiperf, AIPERF, ("error_summary",), [{"error_details": {"code": 503}, "count": 2}]),
        (tools.read_aiperf, AIPERF, ("was_cancelled",), True),
        (tools.read_aiperf, AIPERF, ("request_count", "avg"), 0.0),
        (tools.read_aiperf, AIPERF, ("time_to_first_token", "unit"), "sec"),
    ],
)
def test_a_run_that_lost_requests_or_changed_units_gives_no_figures(
    read: Any, report: Any, path: tuple[Any, ...], value: Any
) -> None:
    changed = deepcopy(report)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(tools.ReportError):
        read(changed)


@pytest.mark.parametrize(
    ("read", "report", "path"),
    [
        (tools.read_guidellm, GUIDELLM, ("benchmarks", 0, "metrics", "time_to_first_token_ms", "successful")),
        (tools.read_guidellm, GUIDELLM, ("benchmarks", 0, "metrics", "request_latency")),
        (tools.read_guidellm, GUIDELLM, ("metadata", "guidellm_version")),
        (tools.read_aiperf, AIPERF, ("request_latency",)),
        (tools.read_aiperf, AIPERF, ("inter_token_latency", "avg")),
        (tools.read_aiperf, AIPERF, ("error_summary",)),
    ],
)
def test_a_file_of_another_layout_is_refused_not_searched(read: Any, report: Any, path: tuple[Any, ...]) -> None:
    changed = deepcopy(report)
    place = changed
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    with pytest.raises(tools.ReportError, match="not a"):
        read(changed)


def test_a_tool_that_fails_is_quoted() -> None:
    with pytest.raises(tools.ReportError, match=r"exit 3.*no such option"):
        tools.call(["sh", "-c", "echo no such option >&2; exit 3"], {"PATH": "/usr/bin:/bin"})


def test_a_tool_that_is_not_installed_is_said() -> None:
    args = argparse.Namespace(programs={"guidellm": None}, passes=1, each=1)
    with pytest.raises(tools.ReportError, match="not installed"):
        tools.measure(tools.guidellm, args, tools.LOAD, 1)


def test_the_two_outputs_of_the_second_table_last_equally_long() -> None:
    """64 tokens one by one, and in two blocks: the last token is due at the same moment."""
    single = tools.SINGLE.ttft_ms + 63 * tools.SINGLE.ms_per_forward
    blocks = tools.BLOCKS.ttft_ms + tools.BLOCKS.forwards_per_block * tools.BLOCKS.ms_per_forward
    assert single == blocks == 415
