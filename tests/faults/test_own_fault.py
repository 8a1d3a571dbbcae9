"""Exit 4: evalkit's own fault is one line and the path of a log, and neither holds a secret."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import evalkit

API, TYPED, HUB = "Zq7wLm2xRt9Kd4Vb", "Bx4mTk7rFv2Qz9Dn", "hf_Vt2kRb9yHn4Jq7Zs"

#: raises where the command works, with every kind of secret in the message, in a local variable and in the cause
_INJECTED = """
import os, sys
import evalkit.verdict, evalkit.hub, evalkit.gpu.nvml
from evalkit.secrets import Secret
def fail(*args, **kwargs):
    key = Secret(os.environ["API_CANARY"])
    header = {"authorization": f"Bearer {key.reveal()}"}
    try:
        raise ValueError(f"sent {header} to http://u:%(typed)s@host/?api_key=%(typed)s")
    except ValueError as error:
        raise %(error)s(f"argv --api-key %(typed)s and {os.environ['HF_TOKEN']}") from error
evalkit.hub.collect = evalkit.gpu.nvml.collect = fail
sys.argv = ["evalkit", *sys.argv[1:]]
from evalkit.__main__ import main
main()
"""


def _run(tmp_path: Path, error: str, *words: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "injected.py"
    script.write_text(_INJECTED % {"typed": TYPED, "error": error})
    (tmp_path / "logs").mkdir()
    root = Path(evalkit.__file__).resolve().parents[1]
    env = {**os.environ, "API_CANARY": API, "HF_TOKEN": HUB, "TMPDIR": str(tmp_path / "logs"), "PYTHONPATH": str(root)}
    return subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, env=env, timeout=100,
                          cwd=tmp_path, check=False)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("error", ["RuntimeError", "KeyError", "MemoryError"])
def test_a_fault_of_our_own_is_one_line_and_a_private_log_without_a_secret(tmp_path, error):
    done = _run(
        tmp_path, error, "run", "--model", "acme/8B", "--mode", "diffusion=http://127.0.0.1:9", "--output-dir", "r"
    )
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    log = Path(re.fullmatch(r"error: .*: please report it with (\S+)", line).group(1))
    text = log.read_text()
    assert error in text, "the log says what happened"
    assert "Traceback" in text
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    everything = done.stdout + done.stderr + text
    everything += "".join(p.read_text(errors="replace") for p in (tmp_path / "r").rglob("*") if p.is_file())
    for canary in (API, TYPED, HUB):
        assert canary not in everything
        assert canary[3:13] not in everything


@pytest.mark.slow
def test_a_small_command_ends_with_4_as_well(tmp_path):
    done = _run(tmp_path, "RuntimeError", "hardware", "acme/8B")
    assert done.returncode == 4
    assert len(done.stderr.strip().splitlines()) == 1
