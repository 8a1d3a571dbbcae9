"""Each launch is tried once before anything is measured: what a wrong one costs, and what a resumed run does not repeat."""

from __future__ import annotations

import json
import sys
from collections import Counter

import pytest

from evalkit.checklist.schema import ModesItem
from evalkit.run.plan.schedule import estimate, make_plan
from evalkit.run.resume import RunFolder
from tests.run.sessions import FAST, finding, findings, inside, write
from tests.run.test_launches import WRAPPER
from tests.timing.support import prompts

AR, DIFF, SPEC = "autoregressive", "diffusion", "self-speculation"


@pytest.fixture
def modes(tmp_path, monkeypatch):
    """Three launched modes; `wrapper-MODE.py` is what starts."""
    monkeypatch.setenv("SCRIPT", json.dumps(FAST))
    made = {}
    for mode in (AR, DIFF, SPEC):
        script = tmp_path / f"wrapper-{mode}.py"
        script.write_text(WRAPPER)
        words = ["{model}", "{revision}", "{context}", "{port}", mode, str(tmp_path / "started.jsonl")]
        made[mode] = {
            "launch": [sys.executable, str(script), *words],
            "launch_env": ["SCRIPT"],
            "ready_timeout_s": 60,
        }
    return made


def started(folder) -> Counter[str]:
    path = folder / "started.jsonl"
    return Counter(json.loads(line)[0] for line in path.read_text().splitlines()) if path.exists() else Counter()


ONCE = {"modes": {"repeats": 1, "warmup": 1, "launches": "single", "launch_order": [AR, DIFF, SPEC]}}


@pytest.mark.slow
def test_a_wrong_third_command_ends_the_run_before_anything_is_measured_and_is_not_tried_twice(tmp_path, capsys, modes):
    wrong = tmp_path / f"wrapper-{SPEC}.py"
    wrong.write_text("raise SystemExit('Unknown diffusion LLM')")
    path = write(tmp_path, modes, items=ONCE)
    report, said = inside(capsys, path, "--output-dir", tmp_path / "run")
    facts = RunFolder(tmp_path / "run").facts()
    assert (report["exit_code"], report["verdict"]) == (3, "inconclusive")
    assert not facts.timed
    assert not facts.warmups
    assert started(tmp_path) == {DIFF: 1}  # the first start of the plan would have been its own try
    failed = finding(report, "serving.launch", SPEC)
    assert failed["status"] == "error"
    assert "Unknown diffusion LLM" in failed["remedy"]
    assert "Unknown diffusion LLM" in said
    assert f"modes.{SPEC}.launch" in said
    assert "--keep-going" in facts.end.stopped_by
    assert finding(report, "serving.launch", DIFF)["status"] == "pass"

    wrong.write_text(WRAPPER)
    report, said = inside(capsys, path, "--resume", tmp_path / "run")
    assert started(tmp_path) == {AR: 1, DIFF: 2, SPEC: 2}, said
    assert {f["status"] for f in findings(report, "serving.launch")} == {"pass"}
    assert {sample.mode for sample in RunFolder(tmp_path / "run").facts().timed} == {AR, DIFF, SPEC}


@pytest.mark.slow
def test_a_launch_of_another_mode_ends_the_run(tmp_path, capsys, modes):
    words = modes[DIFF]["launch"]
    words[words.index(DIFF)] = AR
    path = write(tmp_path, {mode: modes[mode] for mode in (AR, DIFF)}, items={"modes": {**ONCE["modes"], "launch_order": [AR, DIFF]}})  # fmt: skip
    report, _ = inside(capsys, path, "--output-dir", tmp_path / "run")
    assert report["exit_code"] == 3
    assert started(tmp_path) == {AR: 1}
    assert AR in finding(report, "serving.launch", DIFF)["summary"]
    assert not RunFolder(tmp_path / "run").facts().timed


def test_tries_are_part_of_what_a_plan_takes(tmp_path):
    chosen = prompts(tmp_path).prompts
    apart = make_plan(chosen, [AR, DIFF, SPEC], AR, ModesItem(launches="single"), launched=[AR, DIFF, SPEC])
    beside = make_plan(chosen, [AR, DIFF], AR, ModesItem(launches="single"), launched=[DIFF])
    assert apart.tries == (DIFF, SPEC)
    assert beside.tries == (DIFF,)  # something is measured before its first start
    assert make_plan(chosen, [AR, DIFF], AR, ModesItem()).tries == ()
    more = estimate(apart, chosen, start_s=100).seconds - estimate(apart, chosen, start_s=0).seconds
    assert more == 100 * (len(apart.starts) + 2)
