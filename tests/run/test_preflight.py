"""What is known to fail is said before the first timed request, all of it at once."""

from __future__ import annotations

import pytest

from evalkit.reference import Script
from tests.run.sessions import FAST, finding, findings, inside, write
from tests.support.virtual_world import worlds

AR, DIFF = "autoregressive", "diffusion"


def timed(folder) -> set[str]:
    import json

    lines = (folder / "journal.jsonl").read_text().splitlines()
    return {r["data"]["mode"] for line in lines if (r := json.loads(line))["kind"] == "timed"}


@pytest.mark.slow
def test_every_conflict_is_named_at_once_and_the_mode_is_not_timed(tmp_path, capsys):
    short = Script(mode=DIFF, context_length=64, max_running_requests=1, **FAST)
    with worlds() as world:
        one, other = world.serve(Script(**FAST), short)
        modes = {AR: {"endpoint": one.base_url}, DIFF: {"endpoint": other.base_url}}
        asked = {"request": {"max_tokens": 100}, "items": {"modes": {"concurrency": [2], "repeats": 1, "warmup": 1}}}
        report, said = inside(capsys, write(tmp_path, modes, **asked), "--output-dir", tmp_path / "run")
    found = finding(report, "serving.preflight", DIFF)
    assert found["status"] == "error"
    assert found["outcome"] == "stopped"
    assert len(found["data"]["conflicts"]) >= 2
    assert "--context-length" in found["remedy"]
    assert "the server takes 32" in said
    assert finding(report, "serving.preflight", AR)["status"] == "pass"
    assert timed(tmp_path / "run") == {AR}
    assert report["verdict"] != "go"


@pytest.mark.slow
def test_without_its_baseline_nothing_is_timed(tmp_path, capsys):
    with worlds() as world:
        one, other = world.serve(Script(mode=DIFF, **FAST), Script(mode=DIFF, **FAST))
        modes = {AR: {"endpoint": one.base_url}, DIFF: {"endpoint": other.base_url}}
        report, _ = inside(capsys, write(tmp_path, modes), "--output-dir", tmp_path / "run")
    assert finding(report, "serving.preflight", AR)["outcome"] == "stopped"
    assert finding(report, "serving.mode", AR)["outcome"] == "another-mode"
    assert timed(tmp_path / "run") == set()
    assert report["verdict"] != "go"


@pytest.mark.slow
def test_a_plan_that_cannot_fit_its_budget_says_so_and_counters_corroborate_what_was_done(tmp_path, capsys):
    with worlds() as world:
        one, other = world.serve(Script(**FAST), Script(mode=DIFF, **FAST))
        modes = {AR: {"endpoint": one.base_url}, DIFF: {"endpoint": other.base_url}}
        asked = {"budget": {"requests": 20}, "items": {"modes": {"repeats": 2, "warmup": 1}}}
        report, said = inside(capsys, write(tmp_path, modes, **asked), "--output-dir", tmp_path / "run")
    whole = [f for f in findings(report, "serving.preflight") if f.get("mode") is None]
    assert [(f["outcome"], f["status"]) for f in whole] == [("conflicts", "warn")]
    assert "the budget is 20" in said
    for mode in (AR, DIFF):
        counted = finding(report, "serving.corroborated", mode)
        assert counted["status"] == "pass", counted
        assert counted["known_by"] == "observed"
    assert finding(report, "serving.context-enforced", AR)["status"] == "pass"
    assert finding(report, "serving.logprobs", DIFF)["status"] == "warn"


@pytest.mark.slow
def test_a_key_that_was_not_set_is_no_error_any_more_once_it_is(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("LATER_KEY", raising=False)
    with worlds() as world:
        (server,) = world.serve(Script(api_key="canary-later-5510", **FAST))
        path = write(tmp_path, {AR: {"endpoint": server.base_url, "api_key_env": "LATER_KEY"}})
        first, _ = inside(capsys, path, "--output-dir", tmp_path / "run")
        monkeypatch.setenv("LATER_KEY", "canary-later-5510")
        second, _ = inside(capsys, path, "--resume", tmp_path / "run")
    refused = finding(first, "serving.reachable", AR)
    assert refused["status"] == "error"
    assert "LATER_KEY" in refused["summary"]
    assert finding(second, "serving.reachable", AR)["status"] == "pass"
    assert timed(tmp_path / "run") == {AR}
    assert "canary-later" not in (tmp_path / "run" / "journal.jsonl").read_text()
