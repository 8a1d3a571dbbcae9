"""The fork's statistics file: exact forward passes, and a drafter that silently is not there."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts, RunStart
from evalkit.findings import Status
from evalkit.items.serving.decide import decide
from evalkit.serving.facts import EndpointFacts, ForwardStats
from evalkit.serving.stats_file import StatsFile
from tests.support.start import NOW

SELF = "self-speculation"


def cycles(tokens_each: float, count: int = 100, **more) -> str:
    """Draft and verify cycles as LinearSpec writes them."""
    rows, given_out = [], 0
    for n in range(1, count + 1):
        tokens = round(n * tokens_each) - given_out
        given_out += tokens
        rows.append({"forward_passes": 2, "tokens": tokens, "acceptance_rate": 0.5, **more})
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_only_what_was_written_meanwhile_counts(tmp_path):
    path = tmp_path / "stats.jsonl"
    path.write_text(cycles(2, 50))
    file = StatsFile(SELF, str(path))
    with path.open("a") as log:
        log.write(cycles(8.2))
    seen = file.read()
    assert (seen.lines, seen.forward_passes, seen.tokens) == (100, 200, 820)
    assert seen.tokens_per_forward == pytest.approx(4.10)
    assert seen.acceptance_rate == pytest.approx(0.5)


def test_a_file_that_began_anew_is_read_from_its_start(tmp_path):
    path = tmp_path / "stats.jsonl"
    path.write_text(cycles(2, 50))
    file = StatsFile(SELF, str(path))
    path.write_text(cycles(4, 10))
    assert file.read().lines == 10


def test_nothing_but_the_figures_is_kept(tmp_path):
    path = tmp_path / "stats.jsonl"
    file = StatsFile(SELF, str(path))
    path.write_text(cycles(4, 3, prompt="canary-9d2f", api_key="canary-9d2f", tokens_per_fp="canary-9d2f"))
    seen = file.read()
    assert seen.lines == 3
    assert "canary-9d2f" not in seen.model_dump_json()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        "[1]",
        "{}",
        '{"forward_passes": true, "tokens": 1}',
        '{"forward_passes": -2, "tokens": 1}',
        '{"forward_passes": 2, "tokens": 1e9}',
        '{"forward_passes": 2, "tokens": 99999999999}',
        '{"forward_passes": NaN, "tokens": 3}',
        "[" * 60000,
    ],
)
def test_a_line_that_is_not_understood_is_left_out(tmp_path, line):
    path = tmp_path / "stats.jsonl"
    path.write_text(f"{line}\n{cycles(4, 1)}")
    seen = StatsFile(SELF, str(path))
    seen._start = 0
    found = seen.read()
    assert (found.lines, found.forward_passes, found.skipped) == (1, 2, 1)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("s") / "stats"
    path.write_bytes(b"")
    file = StatsFile(SELF, str(path))
    path.write_bytes(data)
    assert file.read().error is None


def test_a_pipe_or_a_missing_file_does_not_hold_up_the_run(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert StatsFile(SELF, str(tmp_path / "pipe")).read().error
    assert StatsFile(SELF, str(tmp_path / "missing")).read().error


def judged(stats: ForwardStats | None, least: float | None = None):
    endpoint = {"endpoint": "http://h:1", "stats_file": "/tmp/s.jsonl", "min_tokens_per_forward": least}
    asked = Checklist.model_validate({"modes": {SELF: endpoint}})
    start = RunStart(run_id="r", started_at="2026-11-24T00:00:00Z", evalkit_version="0", plan_sha256="",
                     checklist_sha256="")  # fmt: skip
    served = EndpointFacts(label=SELF, endpoint="http://h:1", reachable=True, engine="sglang", declared_mode=SELF)
    facts = Facts(start=start, endpoints={SELF: served}, forwards=(stats,) if stats else ())
    return next(f for f in decide(asked, facts, NOW) if f.id == "serving.forward-passes")


@pytest.mark.parametrize(
    ("tokens", "least", "status"),
    [
        (820, 4.0, Status.PASS),
        (664, 4.0, Status.INCONCLUSIVE),  # 3.32: plausible text, the adapter is not applied
        (664, None, Status.PASS),
        (200, None, Status.INCONCLUSIVE),  # one token a pass: no drafter at all
    ],
)
def test_a_drafter_that_silently_is_not_loaded_shows_as_fewer_tokens_a_pass(tokens, least, status):
    found = judged(ForwardStats(mode=SELF, lines=100, forward_passes=200, tokens=tokens), least)
    assert (found.outcome, found.status) == ("gains" if status is Status.PASS else "too-few", status)
    assert found.data["tokens_per_forward"] == tokens / 200


@pytest.mark.parametrize("stats", [None, ForwardStats(mode=SELF, error="no such file on this machine")])
def test_a_file_that_is_elsewhere_is_open_with_a_way_forward(stats):
    found = judged(stats)
    assert (found.outcome, found.status) == ("not-used", Status.INCONCLUSIVE)
    assert not found.counts
    assert "server's machine" in found.remedy


def test_the_figure_is_the_reports_tokens_per_forward_where_replies_tell_none():
    from evalkit.analysis.paces import tokens_per_forward
    from evalkit.serving.facts import Counters

    start = RunStart(run_id="r", started_at="2026-11-24T00:00:00Z", evalkit_version="0", plan_sha256="",
                     checklist_sha256="")  # fmt: skip
    by_file = Facts(start=start, forwards=(ForwardStats(mode=SELF, lines=1, forward_passes=200, tokens=820),))
    names = ("vllm:diffusion_num_denoising_steps_total", "vllm:diffusion_num_committed_tokens_total")
    counted = Counters(mode=SELF, before=dict.fromkeys(names, 10.0), after={names[0]: 110.0, names[1]: 260.0})
    assert tokens_per_forward(by_file, SELF)[0] == pytest.approx(4.1)
    assert tokens_per_forward(Facts(start=start, counters=(counted,)), SELF)[0] == pytest.approx(2.5)
    assert tokens_per_forward(Facts(start=start), SELF) is None
