"""No key of the user and no key that a server tells of itself reaches a file, the screen or the report."""

from __future__ import annotations

import os
import subprocess

import pytest

from evalkit.reference import ReferenceProcess, Script
from tests.run.sessions import FAST, command, write

API, ADMIN = "canary-api-key-55291", "canary-admin-key-81273"


@pytest.mark.slow
def test_a_whole_run_with_two_keys_leaves_no_byte_of_them(tmp_path):
    script = Script(api_key=API, admin_key=ADMIN, dllm_algorithm_config=f"/srv/{API}/x.yaml", mode="diffusion", **FAST)
    with ReferenceProcess(script) as server, ReferenceProcess(Script(api_key=API, **FAST)) as other:
        keys = {"api_key_env": "RUN_API_KEY", "admin_key_env": "RUN_ADMIN_KEY"}
        modes = {
            "autoregressive": {"endpoint": other.base_url, "api_key_env": "RUN_API_KEY"},
            "diffusion": {"endpoint": server.base_url, **keys},
        }
        done = subprocess.run(
            command(write(tmp_path, modes), "--output-dir", tmp_path / "run"),
            capture_output=True, timeout=110, check=False,
            env={**os.environ, "RUN_API_KEY": API, "RUN_ADMIN_KEY": ADMIN},
        )  # fmt: skip
    assert b'"declared_mode": "diffusion"' in done.stdout, done.stderr
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert {"report.json", "report.md", "journal.jsonl"} <= {path.name for path in files}
    everything = done.stdout + done.stderr + b"".join(path.read_bytes() for path in files)
    assert b"canary" not in everything
