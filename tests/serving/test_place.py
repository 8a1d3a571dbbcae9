"""Where an endpoint is: here, behind a tunnel, or at an unknown place."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evalkit.serving import place
from evalkit.serving.launch import free_port
from tests.serving.replay import recorded, serving


def find(url: str) -> place.Place:
    return asyncio.run(place.find(url))


@pytest.mark.parametrize(
    ("name", "where", "has_pid"),
    [
        ("ssh", "tunnel", False),
        ("kubectl", "tunnel", False),
        ("cloudflared", "tunnel", False),
        ("nginx", "unknown", False),
        ("docker-proxy", "here", False),
        ("python3", "here", True),
        ("sglang::schedul", "here", True),
    ],
)
def test_the_owner_of_the_port_says_where_the_server_is(name, where, has_pid):
    found = place._judge(name, 30000, 4711, 1.0)
    assert found.where == where
    assert (found.pid == 4711) is has_pid
    assert name in found.why


def test_a_server_of_this_machine_is_here_with_its_process():
    async def main():
        async with serving({}) as server:
            return await place.find(server.url)

    found = asyncio.run(main())
    assert (found.where, found.pid) == ("here", os.getpid())


def test_an_address_of_another_machine_is_elsewhere():
    assert find("http://192.0.2.7:30000").where == "elsewhere"


def test_a_name_that_does_not_resolve_is_an_unknown_place():
    assert find("http://no-such-host.invalid:30000").where == "unknown"


def test_a_port_that_nobody_owns_is_an_unknown_place():
    assert find(f"http://127.0.0.1:{free_port()}").where == "unknown"


_FORWARD = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    near, _ = listener.accept()
    near.close()
"""


@pytest.mark.slow
def test_a_port_owned_by_ssh_is_a_tunnel_whatever_answers_behind_it(tmp_path):
    (tmp_path / "ssh").symlink_to(Path(sys.executable).resolve())
    port = free_port()
    tunnel = subprocess.Popen([str(tmp_path / "ssh"), "-I", "-S", "-c", _FORWARD, str(port)])
    try:
        deadline = time.monotonic() + 20
        found = find(f"http://127.0.0.1:{port}")
        while found.where == "unknown" and time.monotonic() < deadline:
            time.sleep(0.1)
            found = find(f"http://127.0.0.1:{port}")
    finally:
        tunnel.kill()
        tunnel.wait()
    assert found.where == "tunnel"
    assert found.pid is None


def test_a_recorded_server_behind_a_tunnel_is_probed_and_its_place_is_told(monkeypatch):
    from evalkit.checklist.schema import Endpoint
    from evalkit.serving.probe import probe

    async def main():
        async with serving(recorded("sglang-0.5.23-trimode-ar")) as server:
            return await probe("m", Endpoint(endpoint=server.url), client=None, observe=False)

    monkeypatch.setattr(place, "_TUNNELS", (*place._TUNNELS, Path(f"/proc/{os.getpid()}/comm").read_text().strip()))
    facts = asyncio.run(main())
    assert facts.declared_mode == "autoregressive"
    assert facts.place == "tunnel"
    assert facts.pid is None
