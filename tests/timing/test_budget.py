"""Budgets: what counts, what is left for tasks, and what is said before anything is sent."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from evalkit.run.setup import prepare
from evalkit.run.steps.timing import _means
from tests.timing.support import AR, DLM
from tests.timing.test_launched import loaded, server


@pytest.mark.parametrize(
    ("settings", "minutes"),
    [
        ({}, None),
        ({"profile": "first-look"}, 15),
        ({"profile": "first-look", "budget": {"minutes": 4}}, 4),
        ({"budget": {"minutes": 60}}, 60),
    ],
)
def test_a_first_look_has_a_quarter_of_an_hour_unless_told_otherwise(tmp_path, settings, minutes):
    assert prepare(loaded(tmp_path, {AR: {"endpoint": "http://a:1"}}, **settings)).minutes == minutes


def test_a_first_look_starts_each_mode_once_between_two_starts_of_the_baseline(tmp_path):
    modes = {AR: server(AR), DLM: server(DLM)}
    first = prepare(loaded(tmp_path, modes, profile="first-look"))
    assert first.plan.starts == ((AR, 0), (DLM, 0), (AR, 1))
    whole = prepare(loaded(tmp_path, modes))
    assert len(whole.plan.starts) == 6


class Run:
    """What a step sees of a run with 90 seconds and 40 requests left."""

    left_s = 90.0
    left_requests = 40

    def __init__(self, setup, *, asks):
        self.setup, self.checklist, self.asks = setup, setup.checklist, asks

    def wanted(self, item):
        return item != "quality" or self.asks


@pytest.mark.parametrize(("asks", "seconds"), [(True, 60.0), (False, 90.0)])
def test_timing_leaves_a_third_to_the_tasks_that_are_still_to_be_asked(tmp_path, asks, seconds):
    given = loaded(tmp_path, {AR: {"endpoint": "http://a:1"}}, budget={"minutes": 2, "requests": 50}, tasks=None)
    got = _means(Run(prepare(given), asks=asks))
    assert got == (pytest.approx(seconds), 40)


def test_a_dry_run_says_starts_minutes_and_what_would_show_and_sends_nothing(tmp_path):
    argv = [sys.executable, "-c", "raise SystemExit(9)"]
    lines = "".join(json.dumps({"id": f"p{i}", "prompt": f"Say {i}."}) + "\n" for i in range(40))
    (tmp_path / "p.jsonl").write_text(lines)
    checklist = {"modes": {AR: {"launch": argv}, DLM: {"launch": argv}}, "prompts": ["p.jsonl"], "tasks": []}
    (tmp_path / "c.yaml").write_text(json.dumps(checklist))
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", "run", str(tmp_path / "c.yaml"), "--dry-run", "--json"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["starts"] == [AR, DLM, DLM, AR, AR, DLM]
    # three minutes a start, and a try of the second mode before the first is timed
    assert plan["start_minutes"] == 21
    assert plan["minutes"] > 21
    assert plan["timed_requests"] == 40 * 2 * 3 + 3 * 6 + 8 * 2 * 3
    assert 1.05 < plan["detectable"] < 1.25
    assert any("6 server starts" in note for note in plan["notes"])
    assert not (tmp_path / "evalkit-runs").exists()
