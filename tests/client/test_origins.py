"""A key goes to its own origin alone: no redirect takes it, or a request, anywhere else."""

from __future__ import annotations

import asyncio

import pytest

from evalkit.checklist.schema import Endpoint
from evalkit.client.fallback import ProxyClient
from evalkit.client.types import ChatRequest, Target
from evalkit.client.wire import WireClient
from evalkit.reference import Script
from evalkit.secrets import Secret
from evalkit.serving.control import Control
from evalkit.serving.flush import flush
from evalkit.serving.probe import probe
from tests.support.faults import FaultServer
from tests.support.faults.protocol import Answer
from tests.support.faults.registry import Fault

KEY, ADMIN = "Zq7wLm2xRt9Kd4Vb", "Gh5nPc8sYe3Ju6Wa"
ASK = ChatRequest(messages=({"role": "user", "content": "hello"},), max_tokens=4)


def redirecting(status: int, where: str) -> Fault:
    async def play(turn):
        await turn.send(Answer(status, "text/plain", ((0.0, b"moved"),), {"location": where}))

    return Fault("redirecting", "a redirect", play)


async def _asked(server: FaultServer, way: str) -> str:
    key = Secret(KEY)
    if way in ("wire", "proxy"):
        client = WireClient() if way == "wire" else ProxyClient()
        reply = await client.chat(Target("diffusion", server.base_url, "m", key), ASK)
        await client.aclose()
        assert not reply.ok
        return reply.error.message
    if way == "control":
        async with Control(server.base_url, key) as control:
            reply = await control.get_json("/v1/models")
        assert not reply.ok
        return reply.error.message
    endpoint = Endpoint(endpoint=server.base_url, api_key_env="API_CANARY", admin_key_env="ADMIN_CANARY")
    if way == "flush":
        return (await flush("diffusion", endpoint)).detail
    return (await probe("diffusion", endpoint, client=WireClient())).error or ""


@pytest.mark.parametrize("way", ["wire", "proxy", "control", "flush", "probe"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_port_gets_no_request(monkeypatch, way, status):
    monkeypatch.setenv("API_CANARY", KEY)
    monkeypatch.setenv("ADMIN_CANARY", ADMIN)

    async def main():
        here, there = FaultServer(Script()), FaultServer(Script())
        await here.serve()
        await there.serve()
        here.arm(redirecting(status, f"{there.base_url}/v1/chat/completions"), frozenset({"any"}))
        try:
            said = await _asked(here, way)
        finally:
            here.close()
            there.close()
        return said, here.requests, there.requests

    said, here, there = asyncio.run(main())
    assert here
    assert there == []
    assert "redirect" in said
    sent = {request.headers.get("authorization") for _, request in here}
    assert sent == {f"Bearer {ADMIN if way == 'flush' else KEY}"}
    assert KEY not in said


@pytest.mark.parametrize(
    "where", ["file:///etc/passwd", "http://169.254.169.254/latest/meta-data/", "//127.0.0.1:1/x", "gopher://x", ""]
)
def test_a_redirect_to_a_place_that_is_none_is_an_error_in_words(where):
    async def main():
        server = FaultServer(Script())
        await server.serve()
        server.arm(redirecting(302, where), frozenset({"any"}))
        try:
            return await _asked(server, "wire"), await _asked(server, "control")
        finally:
            server.close()

    for said in asyncio.run(main()):
        assert "redirect" in said
