"""The real SGLang comes up, answers rightly, and goes away without leaving a process."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

from tests.real import servers

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(servers.READY_TIMEOUT_S + 60),
    pytest.mark.skipif(servers.available() is not None, reason=str(servers.available())),
]


@pytest.fixture
def autoregressive() -> Iterator[servers.RealSglang]:
    with servers.RealSglang("ar") as server:
        yield server


def ask(server: servers.RealSglang, prompt: str) -> str:
    body = {"model": servers.MODEL, "messages": [{"role": "user", "content": prompt}], "temperature": 0}
    request = urllib.request.Request(
        f"{server.base_url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return str(json.load(reply)["choices"][0]["message"]["content"])


def running_for(port: int) -> list[int]:
    """Processes that were started for this port, found without the server object's own bookkeeping."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(port) in words and any("sglang" in word for word in words):
            found.append(process.pid)
    return found


def test_autoregressive_server_answers_and_stop_leaves_nothing_running(autoregressive: servers.RealSglang) -> None:
    answer = ask(autoregressive, "Give the record of Paris as JSON.")
    assert json.loads(answer) == {"city": "Paris", "country": "France", "people": 2148}

    family = autoregressive.processes()
    assert len(family) >= 3, "the scheduler and the detokenizer are processes of their own"
    assert running_for(autoregressive.port), "the check below would see nothing"

    autoregressive.stop()

    assert [process for process in family if servers.alive(process)] == []
    assert running_for(autoregressive.port) == []


def test_server_that_cannot_start_is_an_error_with_its_log_and_leaves_nothing_running() -> None:
    server = servers.RealSglang("ar", extra=["--no-such-flag"])
    with pytest.raises(servers.ServerError, match="no-such-flag"):
        server.start()
    assert server.processes() == []
    assert running_for(server.port) == []
