"""The whole checklist against a real SGLang on the CPU, one server a mode, launched by evalkit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.real import servers

FIXTURES = Path(__file__).parent / "fixtures" / "tiny_trimode"


@pytest.mark.real
@pytest.mark.timeout(900)
def test_a_real_run_measures_the_modes_and_agrees_with_what_is_known_of_the_model(tmp_path):
    reason = servers.available()
    if reason:
        pytest.skip(reason)
    lines = (FIXTURES / "prompts" / "chat.jsonl").read_text().splitlines()
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines[::8][:24]) + "\n")
    checklist = {
        "name": "tiny model in real modes",
        "candidate": {"model": str(servers.model_folder("ar"))},
        "request": {"max_tokens": 128},
        "modes": {
            "autoregressive": {"launch": servers.launch_argv("ar"), "ready_timeout_s": 180},
            "speculative": {"launch": servers.launch_argv("ngram"), "ready_timeout_s": 180},
        },
        "prompts": [str(tmp_path / "prompts.jsonl")],
        "tasks": [str(next((FIXTURES / "tasks").glob("*structured*.yaml")))],
        "items": {"modes": {"repeats": 1, "warmup": 3}, "context": {"need_tokens": 1024}},
    }
    path = tmp_path / "checklist.yaml"
    path.write_text(yaml.safe_dump(checklist))
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", "run", str(path), "--json", "--output-dir", str(tmp_path / "run")],
        capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    document = json.loads(done.stdout)
    modes = {mode["mode"]: mode for mode in document["modes"]}
    assert modes["autoregressive"]["engine"] == "sglang"
    assert modes["autoregressive"]["declared_mode"] == "autoregressive"
    assert modes["speculative"]["declared_mode"] == "speculative"
    assert not document["simulated"]
    assert modes["speculative"]["speedup"]["pairs"] >= 20
    assert done.returncode == document["exit_code"]
