"""`evalkit probe` as a user and a script run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from evalkit.reference import ReferenceServer, Script
from evalkit.serving.launch import free_port

KEY = "sk-canary-probe-5512"
FAST = {"ttft_ms": 1.0, "ms_per_forward": 0.2}


def probe(*args: str, **env: str):
    return subprocess.run(
        [sys.executable, "-m", "evalkit", "probe", *args],
        capture_output=True, text=True, timeout=100, check=False, env={**os.environ, **env},
    )  # fmt: skip


def test_two_servers_give_a_list_of_two_with_the_fields_of_the_contract_and_exit_0():
    with ReferenceServer(Script(**FAST)) as one, ReferenceServer(Script(mode="diffusion", **FAST)) as other:
        done = probe(one.base_url, f"{other.base_url}/v1", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [f["endpoint"] for f in found] == [one.base_url, other.base_url]
    assert [f["declared_mode"] for f in found] == ["autoregressive", "diffusion"]
    assert [f["observed_mode"] for f in found] == ["autoregressive", "diffusion"]
    fields = ["endpoint", "engine", "engine_version", "model", "declared_mode", "observed_mode", "known_by",
              "block_size", "context", "capabilities", "warnings"]  # fmt: skip
    assert all(list(f) == fields for f in found)
    assert found[1]["block_size"] == 32


def test_a_closed_port_is_exit_3_with_one_object_that_says_why():
    done = probe(f"http://127.0.0.1:{free_port()}", "--json")
    (found,) = json.loads(done.stdout)
    assert done.returncode == 3
    assert found["engine"] is None
    assert found["declared_mode"] is None
    assert [w["id"] for w in found["warnings"]] == ["serving.reachable"]


def test_a_stream_that_contradicts_the_declared_mode_is_exit_3():
    script = Script(mode="diffusion", declares="autoregressive", **FAST)
    with ReferenceServer(script) as server:
        done = probe(server.base_url, "--json")
    (found,) = json.loads(done.stdout)
    assert (found["declared_mode"], found["observed_mode"]) == ("autoregressive", "diffusion")
    assert "serving.mode" in {w["id"] for w in found["warnings"]}
    assert done.returncode == 3


def test_the_forks_ar_is_known_and_named_for_what_it_is():
    with ReferenceServer(Script(block_loop_ar=True, **FAST)) as server:
        done = probe(server.base_url)
    assert done.returncode == 0
    assert "serving.block-loop-baseline" in done.stdout


def test_a_drafter_that_is_not_loaded_is_a_warning_with_its_cause():
    script = Script(mode="self-speculation", accept_runs_all_one=True, **FAST)
    with ReferenceServer(script) as server:
        done = probe(server.base_url, "--json")
    (found,) = json.loads(done.stdout)
    assert any("drafter" in w["summary"] for w in found["warnings"] if w["id"] == "serving.mode")
    assert done.returncode == 3


def test_keys_are_sent_and_shown_nowhere():
    with ReferenceServer(Script(api_key=KEY, admin_key="sk-canary-admin-1", **FAST)) as server:
        done = probe(server.base_url, "--json", "--api-key-env", "PROBE_TEST_KEY", PROBE_TEST_KEY=KEY)
        shown = probe(server.base_url, "--api-key-env", "PROBE_TEST_KEY", PROBE_TEST_KEY=KEY)
        refused = probe(server.base_url, "--json")
    assert done.returncode == 0, done.stderr
    assert refused.returncode == 3
    for output in (done, shown, refused):
        assert b"canary" not in (output.stdout + output.stderr).encode()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["localhost:30000"], "http"),
        (["ftp://127.0.0.1"], "http"),
        (["http://127.0.0.1:1", "--api-key-env", "NO_SUCH_KEY_HERE"], "NO_SUCH_KEY_HERE"),
        (["http://me:secret-pw-1@127.0.0.1:1"], ""),
    ],
)
def test_what_cannot_be_asked_at_all_is_a_usage_error_with_a_hint(args, says):
    done = probe(*args, "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert "hint" in done.stderr
    assert "secret-pw-1" not in done.stderr
    assert "Traceback" not in done.stderr
