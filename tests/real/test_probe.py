"""Real servers: what they are and how they decode; and that nothing of a launched one is left, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from evalkit.serving import keeper
from tests.real import servers

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

OURS = "REAL_PROBE_FOLDER"
KEY = "sk-canary-real-77315"


def needs(mode: str) -> None:
    reason = servers.available(mode)
    if reason:
        pytest.skip(reason)


def probed(url: str, *flags: str, env: dict[str, str] | None = None) -> tuple[dict, subprocess.CompletedProcess[str]]:
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", "probe", url, "--json", *flags],
        capture_output=True, text=True, timeout=200, check=False, env={**os.environ, **(env or {})},
    )  # fmt: skip
    (document,) = json.loads(done.stdout)
    return document, done


@pytest.mark.parametrize(
    ("mode", "expected", "block"),
    [("ar", "autoregressive", None), ("diffusion", "diffusion", 4), ("ngram", "speculative", None)],
)
def test_a_real_sglang_is_told_with_its_declared_and_its_observed_mode(mode, expected, block):
    needs(mode)
    with servers.RealSglang(mode, extra=["--api-key", KEY]) as server:
        found, done = probed(server.base_url, "--capabilities", "--api-key-env", "REAL_KEY", env={"REAL_KEY": KEY})
        locked, refused = probed(server.base_url)
    assert done.returncode == 0, done.stderr
    assert (found["engine"], found["engine_version"]) == ("sglang", "0.5.23")
    assert (found["declared_mode"], found["observed_mode"]) == (expected, expected)
    assert found["known_by"] == "observed"
    assert found["block_size"] == block
    assert found["context"]["max_model_len"] == 2048
    assert found["capabilities"]["continuous_usage"]["value"] is True
    assert found["capabilities"]["context_enforced"]["value"] is True
    assert found["capabilities"]["logprobs"]["value"] is (mode != "diffusion")
    assert KEY.encode() not in (done.stdout + done.stderr).encode()  # /server_info tells it in clear
    assert refused.returncode == 3
    assert locked["warnings"][0]["id"] == "serving.reachable"


@pytest.mark.timeout(500)
@pytest.mark.parametrize(("mode", "expected"), [("vllm", "autoregressive"), ("vllm-ngram", "speculative")])
def test_a_real_vllm_is_told_with_its_declared_and_its_observed_mode(mode, expected):
    needs(mode)
    with servers.RealSglang(mode, extra=["--api-key", KEY], ready_timeout_s=300) as server:
        found, done = probed(server.base_url, "--capabilities", "--api-key-env", "REAL_KEY", env={"REAL_KEY": KEY})
        locked, refused = probed(server.base_url)
    assert done.returncode == 0, done.stderr
    assert (found["engine"], found["engine_version"]) == ("vllm", "0.32.0")
    assert (found["declared_mode"], found["observed_mode"]) == (expected, expected)
    assert found["known_by"] == "observed"
    assert found["block_size"] is None
    assert found["context"]["max_model_len"] == 2048
    assert found["context"]["max_total_num_tokens"] > 2048
    assert found["capabilities"]["prefix_cache"]["value"] is True
    assert found["capabilities"]["continuous_usage"]["value"] is True
    assert found["capabilities"]["context_enforced"]["value"] is True
    assert found["capabilities"]["logprobs"]["value"] is True
    assert KEY.encode() not in (done.stdout + done.stderr).encode()
    assert refused.returncode == 3
    assert locked["warnings"][0]["id"] == "serving.reachable"


def left(folder: Path) -> list[psutil.Process]:
    """Living processes that carry the mark of a launch of this test."""
    found = []
    for process in psutil.process_iter():
        try:
            told = process.environ()
            if keeper.MARK in told and told.get(OURS) == str(folder) and servers.alive(process):
                found.append(process)
        except psutil.Error:
            continue
    return found


def waited(folder: Path, least: int, seconds: float) -> list[psutil.Process]:
    """Waits for `least` processes, or with 0 for the end of all."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = left(folder)
        if (least and len(found) >= least) or (not least and not found):
            break
        time.sleep(0.3)
    return left(folder)


def started(tmp_path: Path, mode: str = "ar") -> subprocess.Popen[str]:
    """`evalkit run` with a real SGLang to launch."""
    (tmp_path / "prompts.jsonl").write_text('{"id": "a", "prompt": "Say hello."}\n{"id": "b", "prompt": "Say bye."}\n')
    checklist = {
        "prompts": ["prompts.jsonl"],
        "candidate": {"model": str(servers.model_folder(mode))},
        "request": {"max_tokens": 16},
        "modes": {
            "autoregressive": {"launch": servers.launch_argv(mode), "launch_env": [OURS], "ready_timeout_s": 300}
        },
        "tasks": [],
        "items": {"modes": {"repeats": 1, "warmup": 1, "launches": "single", "launch_order": ["autoregressive"]}},
    }
    path = tmp_path / "checklist.yaml"
    path.write_text(yaml.safe_dump(checklist))
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit", "run", str(path), "--json", "--output-dir", str(tmp_path / "run")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, OURS: str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  a background job ignores it
    )  # fmt: skip


def test_a_launch_that_is_used_to_the_end_leaves_nothing(tmp_path):
    needs("ar")
    process = started(tmp_path)
    out, said = process.communicate(timeout=380)
    assert out, said
    report = json.loads(out)
    launch = next(f for item in report["items"] for f in item["findings"] if f["id"] == "serving.launch")
    assert launch["status"] == "pass", said
    assert "ready after" in launch["summary"]
    assert not waited(tmp_path, 0, 5)


@pytest.mark.parametrize("ended", ["evalkit is killed", "evalkit is interrupted", "its child is killed"])
def test_nothing_of_a_launched_sglang_is_left_when(tmp_path, ended):
    needs("ar")
    process = started(tmp_path)
    try:
        assert waited(tmp_path, 3, 150), "the server never started"
        if ended == "its child is killed":
            for child in psutil.Process(process.pid).children():
                child.kill()
            process.communicate(timeout=150)
        else:
            process.send_signal(signal.SIGKILL if ended == "evalkit is killed" else signal.SIGINT)
            process.communicate(timeout=90)
        assert not waited(tmp_path, 0, 60)
        if ended == "evalkit is interrupted":
            assert process.returncode == 130
    finally:
        process.kill()
        for one in left(tmp_path):
            one.kill()
