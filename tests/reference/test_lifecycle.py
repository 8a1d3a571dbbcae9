"""Starting and stopping: fast, many at once, nothing left behind; light to import."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx2
import pytest

from evalkit.errors import LaunchError
from evalkit.reference import ReferenceProcess, ReferenceServer, Script
from tests.reference.wire import CLIENT, ask, chat, get, say


def port_of(server):
    return int(server.base_url.rpartition(":")[2])


def test_importing_the_package_loads_no_web_framework():
    code = (
        "import sys, evalkit.reference; print([m for m in ('starlette', 'uvicorn', 'httptools') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_stopping_leaves_no_thread_and_frees_the_port():
    before = set(threading.enumerate())
    with ReferenceServer(Script()) as server:
        assert server.alive
        assert get(server, "/health").status_code == 200
    assert set(threading.enumerate()) <= before
    assert not server.alive
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port_of(server))) != 0
    with ReferenceServer(port=port_of(server)) as again:
        assert say(again, "What is 1 + 1?") == "1 + 1 = 2"


def test_stopping_drops_running_streams_at_once():
    with ReferenceServer(Script(ttft_ms=1, ms_per_forward=1000)) as server:
        body = ask("x", stream=True, max_tokens=50)
        with CLIENT.stream("POST", server.base_url + "/v1/chat/completions", json=body) as reply:
            lines = reply.iter_lines()
            next(lines)
            started = time.monotonic()
            server.stop()
            assert time.monotonic() - started < 25, "the stream would have gone on for 50 s"
            with pytest.raises(httpx2.RemoteProtocolError):
                list(lines)
    assert server.emissions()[0].aborted


def test_idle_keep_alive_connections_do_not_delay_the_stop():
    with httpx2.Client() as client, ReferenceServer() as server:
        client.get(server.base_url + "/health")
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 4, "kept connections are let go after 5 s"


def test_many_servers_run_side_by_side():
    servers = [ReferenceServer(Script(model=f"m{n}")).start() for n in range(6)]
    try:
        assert [get(s, "/v1/models").json()["data"][0]["id"] for s in servers] == [f"m{n}" for n in range(6)]
    finally:
        for server in servers:
            server.stop()


def test_a_server_can_be_started_again_and_stopped_twice():
    server = ReferenceServer()
    for _ in range(2):
        server.start()
        chat(server, "x", max_tokens=1)
        server.stop()
    server.stop()
    assert len(server.emissions()) == 1


def test_a_taken_port_is_told():
    with ReferenceServer() as server, pytest.raises(LaunchError, match="cannot listen"):
        ReferenceServer(port=port_of(server)).start()


def test_a_process_serves_the_script_and_the_replies(tmp_path):
    replies = tmp_path / "replies.yaml"
    replies.write_text("Who are you?: a reference\n")
    with ReferenceProcess(Script(mode="diffusion", model="m"), answers_path=replies) as server:
        assert say(server, "Who are you?") == "a reference"
        assert get(server, "/server_info").json()["dllm_algorithm"] == "LowConfidence"
        pid = server.pid
    assert not server.alive
    assert len(server.emissions()) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_cannot_start_says_why(tmp_path):
    with pytest.raises(LaunchError) as error:
        ReferenceProcess(answers_path=tmp_path / "none.yaml").start()
    assert "none.yaml" in error.value.hint


def test_a_process_dies_as_scripted():
    with ReferenceProcess(Script(die_after_requests=0, ttft_ms=1)) as server:
        with pytest.raises(httpx2.HTTPError):
            chat(server, "x")
        deadline = time.monotonic() + 10
        while server.alive and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not server.alive


def command(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit.reference", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_tells_its_address_and_ends_at_a_signal(number):
    with command("--mode", "self-speculation", "--set", "model=mine", "--set", "seed=4") as process:
        told = json.loads(process.stdout.readline())
        models = CLIENT.get(told["base_url"] + "/v1/models").json()
        process.send_signal(number)
        process.wait(10)
        assert process.stderr.read() == ""
    assert told["pid"] == process.pid
    assert models["data"][0]["id"] == "mine"


@pytest.mark.parametrize("wrong", ["model", "no_such_field=1", "block_size=0", "error_rate=2"])
def test_the_command_refuses_wrong_scripts(wrong):
    with command("--set", wrong) as process:
        _, complaint = process.communicate(timeout=20)
    assert process.returncode == 2
    assert complaint.startswith("error: ")
    assert "Traceback" not in complaint
