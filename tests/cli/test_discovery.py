"""Without an argument a command takes the working folder's checklist, and says so; `--mode` overlays one mode."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.run.start import overlaid

TEXT = "name: mine\nmodes: {ar: {endpoint: 'http://127.0.0.1:1'}, diffusion: {endpoint: 'http://127.0.0.1:2'}}\n"


def evalkit(*words: str, cwd):
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *words], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("place", ["checklist.yaml", "evalkit/checklist.yaml"])
@pytest.mark.parametrize("command", [("validate", "--json"), ("run", "--dry-run", "--json")], ids=["validate", "run"])
def test_the_working_folders_checklist_is_taken_and_named(tmp_path, place, command):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text(TEXT)
    done = evalkit(*command, cwd=tmp_path)
    assert json.loads(done.stdout)["modes"] == ["autoregressive", "diffusion"]
    assert place in done.stderr


def test_the_nearer_one_wins_and_without_any_the_shipped_one_is_named(tmp_path):
    done = evalkit("validate", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["name"] == "Nemotron-Labs-Diffusion 8B"
    assert "nemotron-labs-diffusion-8b" in done.stderr
    (tmp_path / "evalkit").mkdir()
    (tmp_path / "evalkit" / "checklist.yaml").write_text(TEXT.replace("mine", "further"))
    (tmp_path / "checklist.yaml").write_text(TEXT)
    assert json.loads(evalkit("validate", "--json", cwd=tmp_path).stdout)["name"] == "mine"


def test_an_address_is_laid_over_one_mode_and_its_other_settings_stay():
    checklist = Checklist.model_validate({
        "modes": {
            "autoregressive": {"endpoint": "http://127.0.0.1:1"},
            "diffusion": {"launch": ["serve", "{port}"], "model": "served", "api_key_env": "KEY", "stats_file": "s.jsonl"},
        }
    })  # fmt: skip
    made = overlaid(checklist, ["dlm=http://127.0.0.1:9"])
    assert made["autoregressive"]["endpoint"] == "http://127.0.0.1:1"
    assert made["diffusion"] == {
        "endpoint": "http://127.0.0.1:9", "model": "served", "api_key_env": "KEY", "stats_file": "s.jsonl",
    }  # fmt: skip
