"""As a new user: a model's folder, an installed SGLang, two answers, one run, and a decision. No file is edited.

The short form of docs/tutorial-afternoon.md: fewer prompts and cases. `outside_cpu` is set here alone, as other work
on the machine of a test is no news.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.real import servers

pytestmark = [pytest.mark.real, pytest.mark.timeout(2400)]

FIXTURE = servers.FIXTURE
#: kinds of prompts with replies long enough to be timed beside other work
TIMED = ("numbered", "count", "table", "sort", "copy")


def own_files(folder: Path, prompts: int, cases: int) -> tuple[Path, Path]:
    """Prompts and tasks that a user of this model has."""
    rows = [json.loads(line) for line in (FIXTURE / "prompts" / "chat.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["tags"][0] in TIMED]
    chosen = [{"id": row["id"], "prompt": row["prompt"], "tags": row["tags"]} for row in rows[:: len(rows) // prompts]]
    (folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chosen[:prompts]))
    suite: dict[str, Any] = yaml.safe_load((FIXTURE / "tasks" / "custom.yaml").read_text())
    suite["suite"]["defaults"] = {"max_tokens": 64}
    suite["cases"] = suite["cases"][:: len(suite["cases"]) // cases][:cases]
    (folder / "own.yaml").write_text(yaml.safe_dump(suite))
    return folder / "own.jsonl", folder / "own.yaml"


def init(folder: Path, answers: str, *flags: object) -> str:
    """`evalkit init` at a terminal, in an environment whose PATH leads to SGLang; what it said."""
    path = f"{servers.root() / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    ours, theirs = pty.openpty()
    os.write(ours, answers.encode())
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", "init", folder, "--no-scan", *map(str, flags)],
        stdin=theirs, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "PATH": path},
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_user_comes_from_a_folder_to_a_decision(tmp_path):
    if reason := servers.available("diffusion"):
        pytest.skip(reason)
    prompts, tasks = own_files(tmp_path, 40, 60)
    model = servers.model_folder("diffusion")
    # commercial, incumbent, prompts, tasks, suites that grow, budget, temperature, max_tokens, system
    said = init(
        tmp_path / "mine", f"\n\n{prompts}\n{tasks}\n\n\n\n\n\n", "--model", model, "--use", "research",
        "--max-tokens", 96,
    )  # fmt: skip
    assert "found sglang 0.5.23" in said
    path = tmp_path / "mine" / "checklist.yaml"
    path.write_text(path.read_text().replace("modes: {speedup", "modes: {outside_cpu: 1.0, speedup"))
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", "run", path, "--json", "--output-dir", tmp_path / "run"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2300, check=False,
    )  # fmt: skip
    report = json.loads(done.stdout)
    found = [f for item in report["items"] for f in item["findings"]]
    assert {f["status"] for f in found if f["id"] == "serving.launch"} == {"pass"}, done.stderr
    assert {f["mode"] for f in found if f["id"] == "serving.mode" and f["status"] == "pass"} == {
        "autoregressive", "diffusion",
    }  # fmt: skip
    quality = next(f for f in found if f["id"] == "quality.non-inferiority" and f["mode"] == "diffusion")
    assert quality["status"] == "pass", quality
    if report["verdict"] == "inconclusive" and os.getloadavg()[1] > (os.cpu_count() or 1):
        pytest.skip("other programs keep this machine too busy to time anything")
    assert report["exit_code"] in (0, 1), report["reasons"]
