"""Servers that the run starts: what the command gets, and what a failed start leaves behind."""

from __future__ import annotations

import json
import sys

import pytest

from tests.run.sessions import FAST, finding, findings, inside, write

AR, DIFF = "autoregressive", "diffusion"
#: starts the reference server and writes down what evalkit filled in
WRAPPER = """
import json, os, sys
model, revision, context, port, mode, log = sys.argv[1:]
with open(log, "a") as out:
    out.write(json.dumps([mode, model, revision, context]) + "\\n")
script = {**json.loads(os.environ["SCRIPT"]), "mode": mode, "context_length": int(context)}
os.execv(sys.executable, [sys.executable, "-m", "evalkit.reference", "--script", json.dumps(script), "--port", port])
"""


@pytest.mark.slow
def test_every_mode_is_started_with_the_same_model_commit_and_window_and_none_is_left(tmp_path, capsys, monkeypatch):
    import psutil

    monkeypatch.setenv("SCRIPT", json.dumps(FAST))
    monkeypatch.setenv("XDG_LAUNCH_TEST", str(tmp_path))
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    log = tmp_path / "filled.jsonl"

    def launch(mode: str) -> list[str]:
        words = ["{model}", "{revision}", "{context}", "{port}", mode, str(log)]
        return [sys.executable, str(tmp_path / "wrapper.py"), *words]

    modes = {mode: {"launch": launch(mode), "launch_env": ["SCRIPT"], "ready_timeout_s": 60} for mode in (AR, DIFF)}
    once = {"modes": {"repeats": 1, "warmup": 1, "launches": "single"}}
    report, said = inside(capsys, write(tmp_path, modes, items=once), "--output-dir", tmp_path / "run")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert {row[0] for row in rows} == {AR, DIFF}
    assert len({tuple(row[1:]) for row in rows}) == 1, rows
    assert rows[0][1] == "acme-labs/Trident-8B"  # what the snapshot is of
    assert int(rows[0][3]) >= 4096
    for mode in (AR, DIFF):
        assert finding(report, "serving.mode", mode)["status"] == "pass", said
        assert {f["outcome"] for f in findings(report, "serving.launch", mode)} == {"ready"}
    alive = [p for p in psutil.process_iter(["environ"]) if (p.info["environ"] or {}).get("EVALKIT_LAUNCH")
             and p.info["environ"].get("XDG_LAUNCH_TEST") == str(tmp_path)]  # fmt: skip
    assert not alive
