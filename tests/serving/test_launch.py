from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from evalkit.checklist.schema import Endpoint
from evalkit.serving import keeper, launch
from evalkit.serving.launch import LaunchFailed, filled, free_port, launched
from tests.serving.launch_cases import SERVER, start

OURS = "XDG_LAUNCH_TEST"  # of a family that a launched server gets


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch, tmp_path):
    monkeypatch.setattr(launch, "_GRACE_S", 0.5)
    monkeypatch.setenv(OURS, str(tmp_path))  # other tests launch servers on this machine too


def argv(tmp_path, *flags):
    path = tmp_path / "server.py"
    path.write_text(SERVER)
    return [sys.executable, str(path), "{port}", *flags]


def left() -> list[int]:
    """Processes that carry the mark of a launch of this test."""
    found = []
    for process in psutil.process_iter():
        try:
            told = process.environ()
            ours = keeper.MARK in told and told.get(OURS) == os.environ[OURS]
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def gone() -> bool:
    """Whether nothing is left; a killed process takes a moment on a busy machine, a forgotten one stays."""
    deadline = time.monotonic() + 10
    while left() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not left()


def test_placeholders_are_filled_and_other_braces_stay():
    out = filled(
        ["{model}", '{"ar_mode": true}', "--p={port}", "{context}"], model="m", revision="r", port=7, context=9
    )
    assert out == ["m", '{"ar_mode": true}', "--p=7", "9"]


def test_a_server_is_started_used_and_gone(tmp_path):
    running = start(Endpoint(launch=argv(tmp_path, "child")), tmp_path)
    assert running.facts.ready_s > 0
    assert gone()


def test_the_log_holds_no_key(tmp_path):
    running = start(Endpoint(launch=argv(tmp_path)), tmp_path)
    log = (tmp_path / running.facts.log_path).read_text()
    assert "api_key" in log
    assert "sk-canary" not in log


@pytest.mark.slow
def test_a_server_that_ignores_term_is_killed(tmp_path):
    start(Endpoint(launch=argv(tmp_path, "stubborn", "child")), tmp_path)
    assert gone()


def test_a_flood_of_log_is_capped(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "LOG_CAP", 100_000)
    running = start(Endpoint(launch=argv(tmp_path, "flood")), tmp_path)
    assert (tmp_path / running.facts.log_path).stat().st_size < 200_000


def test_a_command_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(LaunchFailed, match="no such command: no-such-server"):
        start(Endpoint(launch=["no-such-server"]), tmp_path)


def test_a_launch_that_dies_shows_its_last_lines(tmp_path):
    code = "import sys; print('CUDA out of memory'); sys.exit(3)"
    with pytest.raises(LaunchFailed, match="CUDA out of memory") as caught:
        start(Endpoint(launch=[sys.executable, "-c", code]), tmp_path)
    assert "code 3" in caught.value.facts.error
    assert caught.value.facts.log_tail == ("CUDA out of memory",)
    assert gone()


def test_a_launch_that_hangs_is_given_up_at_its_deadline(tmp_path):
    endpoint = Endpoint(launch=[sys.executable, "-c", "import time; time.sleep(300)"], ready_timeout_s=0.5)
    with pytest.raises(LaunchFailed, match=r"not ready within 0\.5 s"):
        start(endpoint, tmp_path)
    assert gone()


def test_a_taken_port_is_not_measured_by_mistake(tmp_path):
    async def body(running):
        endpoint = Endpoint(launch=argv(tmp_path), endpoint=running.base_url)
        with pytest.raises(LaunchFailed, match="already in use"):
            async with launched("m", endpoint, model="m", revision="r", context=1, log_dir=tmp_path):
                pass

    start(Endpoint(launch=argv(tmp_path)), tmp_path, body)


def test_the_memory_of_the_keeper_is_closed_to_what_it_starts():
    """By /proc/PID/mem code from a reply would become its parent, which no filter holds."""
    looks = "import ctypes, os; print(ctypes.CDLL(None).prctl(3))"
    inner = f"import sys; sys.argv = ['k', '0', 'm', '--', 'true']; import keeper; keeper.main(); {looks}"
    done = subprocess.run(
        [sys.executable, "-c", inner], cwd=Path(keeper.__file__).parent, stdin=subprocess.PIPE, capture_output=True,
        text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["0"]


def test_nothing_is_left_when_the_keeper_is_killed(tmp_path):
    async def body(_):
        for process in psutil.Process().children():
            process.kill()
        await asyncio.sleep(0.2)

    start(Endpoint(launch=argv(tmp_path, "child")), tmp_path, body)
    assert gone()


def test_nothing_is_left_when_the_run_is_cancelled(tmp_path):
    async def main():
        async def work():
            endpoint = Endpoint(launch=argv(tmp_path, "child"))
            async with launched("m", endpoint, model="m", revision="r", context=1, log_dir=tmp_path):
                await asyncio.sleep(60)

        task = asyncio.create_task(work())
        while len(left()) < 2:  # noqa: ASYNC110  other processes raise no event
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert gone()


def interruptible() -> None:
    """A shell starts its background jobs with SIGINT ignored, and their children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


_OUTER = """
import asyncio, sys
from pathlib import Path
from evalkit.checklist.schema import Endpoint
from evalkit.serving import launch
from evalkit.serving.launch import launched
launch._GRACE_S = 0.5
async def main():
    async with launched("m", Endpoint(launch=sys.argv[2:]), model="m", revision="r", context=1, log_dir=Path(sys.argv[1])):
        print("up", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_when_evalkit_itself_ends(tmp_path, number):
    outer = subprocess.Popen(
        [sys.executable, "-c", _OUTER, str(tmp_path), *argv(tmp_path, "child")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=interruptible,  # noqa: PLW1509  one thread
    )
    assert outer.stdout.readline() == b"up\n"
    os.kill(outer.pid, number)
    outer.wait(30)
    outer.stdout.close()
    deadline = time.monotonic() + 30
    while left() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert gone()


def test_the_stop_command_is_run_for_a_launch_that_hands_over(tmp_path):
    port = free_port()
    (tmp_path / "server.py").write_text(SERVER)
    code = (
        "import subprocess,sys; subprocess.Popen([sys.executable, sys.argv[1], sys.argv[2]],"
        "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)"
    )
    stopped = tmp_path / "stopped"
    endpoint = Endpoint(
        launch=[sys.executable, "-c", code, str(tmp_path / "server.py"), "{port}"],
        stop=[sys.executable, "-c", f"open({str(stopped)!r}, 'w').write('{{port}}')"],
        endpoint=f"http://127.0.0.1:{port}",
    )
    start(endpoint, tmp_path)
    assert stopped.read_text() == str(port)
    assert gone()


SLOW = textwrap.dedent(
    """
    import http.server, sys, time
    began = time.monotonic()
    class H(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            ready = self.path == "/custom/ready" and time.monotonic() - began > 0.6
            models = self.path == "/v1/models"
            body = b'{"data": [{"id": "m"}]}'
            self.send_response(200 if ready or models else 503)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *a): pass
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
    """
)


def slow(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    return [sys.executable, str(tmp_path / "slow.py"), "{port}"]


def test_ready_url_is_waited_for_instead_of_the_models(tmp_path):
    running = start(Endpoint(launch=slow(tmp_path), ready_url="/custom/ready"), tmp_path)
    assert running.facts.ready_s >= 0.6
    assert gone()


def test_a_ready_url_may_be_a_whole_address(tmp_path):
    port = free_port()
    endpoint = Endpoint(
        launch=slow(tmp_path), endpoint=f"http://127.0.0.1:{port}", ready_url=f"http://127.0.0.1:{port}/custom/ready"
    )
    assert start(endpoint, tmp_path).facts.ready_s >= 0.6


def test_a_ready_url_that_never_answers_ends_at_the_deadline(tmp_path):
    endpoint = Endpoint(launch=argv(tmp_path), ready_url="/never", ready_timeout_s=1.0)
    with pytest.raises(LaunchFailed, match="not ready within 1 s"):
        start(endpoint, tmp_path)
    assert gone()


@pytest.mark.parametrize(
    "stop",
    [
        ["no-such-stop-command"],
        [sys.executable, "-c", "raise SystemExit(7)"],
        [sys.executable, "-c", "import time; time.sleep(300)"],
    ],
)
def test_a_stop_command_that_is_missing_fails_or_hangs_leaves_no_server(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(launch, "_STOP_S", 0.5)
    start(Endpoint(launch=argv(tmp_path, "child"), stop=stop), tmp_path)
    assert gone()


def test_a_command_that_may_not_be_executed_is_named(tmp_path):
    (tmp_path / "server").write_text("#!/bin/sh\n")
    with pytest.raises(LaunchFailed, match="no such command"):
        start(Endpoint(launch=[str(tmp_path / "server")]), tmp_path)


def test_a_command_without_a_program_behind_it_ends_at_once(tmp_path):
    (tmp_path / "server").write_bytes(b"\x00\x01\x02")
    (tmp_path / "server").chmod(0o755)
    with pytest.raises(LaunchFailed) as caught:
        start(Endpoint(launch=[str(tmp_path / "server")]), tmp_path)
    assert "before it was ready" in caught.value.facts.error
    assert gone()


def test_what_the_server_prints_is_shown_without_control_sequences(tmp_path):
    code = r"import sys; sys.stdout.write('\x1b[31mred\x1b]0;title\x07 \xff'); sys.exit(1)"
    with pytest.raises(LaunchFailed) as caught:
        start(Endpoint(launch=[sys.executable, "-c", code]), tmp_path)
    assert "\x1b" not in "".join(caught.value.facts.log_tail) + str(caught.value)


@pytest.mark.slow
def test_a_launch_that_floods_ignores_term_and_never_gets_ready_is_gone_at_its_deadline(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "LOG_CAP", 100_000)
    code = (
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "while True: print('x' * 200)"
    )
    endpoint = Endpoint(launch=[sys.executable, "-c", code], ready_timeout_s=1.0)
    with pytest.raises(LaunchFailed, match="not ready within 1 s") as caught:
        start(endpoint, tmp_path)
    assert gone()
    assert (tmp_path / caught.value.facts.log_path).stat().st_size < 200_000


def test_a_key_that_was_typed_into_the_command_is_neither_recorded_nor_logged(tmp_path):
    code = "import sys; print('started with', sys.argv); sys.exit(1)"
    words = [sys.executable, "-c", code, "--api-key", "canary-plain-word", "--admin_api_key=sk-canary-77118", "--port"]
    with pytest.raises(LaunchFailed) as caught:
        start(Endpoint(launch=words), tmp_path)
    facts = caught.value.facts
    log = (tmp_path / facts.log_path).read_text()
    assert "started with" in log
    assert "canary" not in log + facts.model_dump_json() + str(caught.value)


DETACHED = textwrap.dedent(
    """
    import os, subprocess, sys, time
    server = [sys.executable, sys.argv[1], sys.argv[2]]
    how = sys.argv[3]
    if how == "session":
        subprocess.Popen(["env", "-i", "setsid", *server])
    elif how == "forks":
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 3)
                os.open(os.devnull, os.O_RDWR), os.dup(0), os.dup(0)
                os.execve(server[0], server, {})
            os._exit(0)
        os.wait()
    if "stays" in sys.argv:
        time.sleep(300)
    """
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="orphans are adopted on Linux only")
@pytest.mark.parametrize("rest", [["session", "stays"], ["forks", "stays"], ["session"], ["forks"]])
def test_a_server_without_our_environment_in_a_session_of_its_own_is_ended_too(tmp_path, rest):
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "detach.py").write_text(DETACHED)
    words = [sys.executable, str(tmp_path / "detach.py"), str(tmp_path / "server.py"), "{port}", *rest]
    seen = []

    async def body(running):
        name = str(tmp_path / "server.py")
        seen.extend(p.pid for p in psutil.process_iter(["cmdline"]) if name in (p.info["cmdline"] or [])[1:2])

    start(Endpoint(launch=words, ready_timeout_s=30), tmp_path, body)
    assert seen
    deadline = time.monotonic() + 10
    while any(map(psutil.pid_exists, seen)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in seen if psutil.pid_exists(pid)]


def test_a_launched_server_gets_what_it_needs_and_no_key_of_others(tmp_path, monkeypatch):
    given = {
        "HF_TOKEN": "hf-canary", "OTHER_API_KEY": "canary-other", "OWN_KEY": "own-value", "WANTED": "wanted",
        "UNKNOWN": "canary-unknown", "EVALKIT_MODE": "canary-evalkit", "AWS_SECRET_ACCESS_KEY": "canary-aws",
        "VLLM_API_KEY": "canary-vllm", "HTTPS_PROXY": "http://user:canary@proxy.invalid:1", "http_proxy": "http://proxy.invalid:1",
        "CUDA_VISIBLE_DEVICES": "3", "NVIDIA_VISIBLE_DEVICES": "all", "HF_HOME": "/cache", "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false", "VLLM_USE_V1": "1", "LD_LIBRARY_PATH": "/lib", "SSL_CERT_FILE": "/cert",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    told = tmp_path / "told.json"
    code = f"import json, os; json.dump(dict(os.environ), open({str(told)!r}, 'w')); raise SystemExit(1)"
    with pytest.raises(LaunchFailed):
        start(Endpoint(launch=[sys.executable, "-c", code], api_key_env="OWN_KEY", launch_env=["WANTED"]), tmp_path)
    got = json.loads(told.read_text())
    assert not [name for name, value in got.items() if "canary" in value]
    kept = ("OWN_KEY", "WANTED", "http_proxy", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HF_HOME", "HF_HUB_OFFLINE",
            "TOKENIZERS_PARALLELISM", "VLLM_USE_V1", "LD_LIBRARY_PATH", "SSL_CERT_FILE")  # fmt: skip
    assert {name: got.get(name) for name in kept} == {name: given[name] for name in kept}
    assert got["PATH"] == os.environ["PATH"]
    with pytest.raises(LaunchFailed):
        start(Endpoint(launch=[sys.executable, "-c", code], launch_env=["HF_TOKEN"]), tmp_path)
    assert json.loads(told.read_text())["HF_TOKEN"] == "hf-canary"
