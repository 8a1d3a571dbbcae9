"""What can be checked of the real set-up without having it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.real import make_suites, servers

SETUP = servers.HERE / "setup.sh"


def test_setup_without_python_311_says_why_in_one_line_and_can_be_skipped(tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "EVALKIT_REAL_DIR": str(tmp_path / "real"), "EVALKIT_REAL_PYTHON": "no-python"}
    done = subprocess.run([SETUP], env=env, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 75
    (line,) = done.stderr.splitlines()
    assert "NOT SET UP" in line
    assert "no-python" in line


def test_setup_that_has_no_time_left_stops_instead_of_hanging(tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "EVALKIT_REAL_DIR": str(tmp_path), "EVALKIT_REAL_PYTHON": "/bin/true"}
    begun = time.monotonic()
    done = subprocess.run(
        [SETUP], env={**env, "EVALKIT_REAL_TIMEOUT": "0"}, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 75
    assert time.monotonic() - begun < 10


def test_vllm_without_the_first_setup_says_so_in_one_line_and_can_be_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env = {"PATH": "/usr/bin:/bin", "EVALKIT_REAL_DIR": str(tmp_path)}
    setup = servers.HERE / "setup_vllm.sh"
    done = subprocess.run([setup], env=env, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 75
    (line,) = done.stderr.splitlines()
    assert "NO VLLM: tests/real/setup.sh has not been run" in line
    monkeypatch.setenv("EVALKIT_REAL_DIR", str(tmp_path))
    assert "setup_vllm.sh" in str(servers.available("vllm"))


def test_missing_setup_is_a_reason_and_not_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVALKIT_REAL_DIR", str(tmp_path))
    reason = servers.available()
    assert reason is not None
    assert "setup.sh" in reason
    with pytest.raises(servers.ServerError, match=r"setup\.sh"):
        servers.RealSglang("ar").start()


def test_launch_command_carries_its_folder_so_that_it_works_from_a_bare_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVALKIT_REAL_DIR", str(tmp_path))
    argv = servers.launch_argv("diffusion:b8-t0.5")
    assert argv[:2] == ["env", f"EVALKIT_REAL_DIR={tmp_path}"]
    assert argv[3:] == ["diffusion:b8-t0.5", "{port}"]
    assert Path(argv[2]).is_file()


@pytest.mark.parametrize("mode", ["", "dlm", "ar:b8-t0.5", "diffusion:b7"])
def test_unknown_modes_are_refused_before_anything_starts(mode: str) -> None:
    with pytest.raises(ValueError, match="unknown mode"):
        servers.RealSglang(mode)
    # The script refuses on its own too: a checklist calls it directly.
    done = subprocess.run([servers.HERE / "serve.sh", mode, "1"], capture_output=True, timeout=20, check=False)
    assert done.returncode == 2


def test_suites_and_prompts_are_what_the_script_writes() -> None:
    for path, text in make_suites.outputs().items():
        assert path.read_text() == text, f"run tests/real/make_suites.py: {path.name}"
