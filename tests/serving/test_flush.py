"""Two keys: the admin key goes to the cache flush and nowhere else; no key follows a redirect."""

from __future__ import annotations

import asyncio

import pytest

from evalkit.checklist.schema import Endpoint
from evalkit.client import open_client
from evalkit.client.types import ChatRequest
from evalkit.serving import flush as flushing
from evalkit.serving.facts import EndpointFacts
from evalkit.serving.flush import flush
from evalkit.serving.probe import probe, target_for
from tests.serving.replay import recorded, serving

API, ADMIN = "canary-api-3391", "canary-admin-7702"
DONE = (200, "text/plain", b"Cache flushed.\n")


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setenv("TEST_API_KEY", API)
    monkeypatch.setenv("TEST_ADMIN_KEY", ADMIN)


def endpoint(url: str, *, admin: bool = True) -> Endpoint:
    return Endpoint(endpoint=url, api_key_env="TEST_API_KEY", admin_key_env="TEST_ADMIN_KEY" if admin else None)


def flushed(routes, **more):
    async def main():
        async with serving(routes) as server:
            return await flush("m", endpoint(server.url, **more)), server

    return asyncio.run(main())


def test_the_admin_key_is_sent_to_the_flush_alone():
    async def main():
        async with serving({**recorded("sglang-0.5.23-trimode-ar"), "POST /flush_cache": DONE}) as server:
            client, asked = open_client([server.url]), endpoint(server.url)
            try:
                facts = await probe("m", asked, client=client, ask_capabilities=True)
                target = target_for("m", asked, facts)
                await client.chat(target, ChatRequest(messages=({"role": "user", "content": "x"},)))
                state = await flush("m", asked, facts)
            finally:
                await client.aclose()
            return facts, state, server.seen

    facts, state, seen = asyncio.run(main())
    assert state.method == "flush"
    keys = {(path.partition("?")[0], headers.get("authorization")) for _, path, headers in seen}
    assert ("/flush_cache", f"Bearer {ADMIN}") in keys
    assert {path for path, key in keys if key == f"Bearer {ADMIN}"} == {"/flush_cache"}
    assert {key for path, key in keys if path != "/flush_cache"} == {f"Bearer {API}"}
    assert ADMIN not in facts.model_dump_json() + state.model_dump_json()


def test_without_an_admin_key_the_api_key_is_tried_and_a_refusal_names_the_way_out():
    state, server = flushed({"POST /flush_cache": (401, "application/json", b"{}")}, admin=False)
    assert server.seen[0][2]["authorization"] == f"Bearer {API}"
    assert state.method == "none"
    assert "admin_key_env" in state.detail


def test_a_vllm_without_the_route_names_the_way_to_it():
    facts = EndpointFacts(label="m", endpoint="http://127.0.0.1:1", reachable=True, engine="vllm")

    async def main():
        async with serving({}) as server:
            return await flush("m", endpoint(server.url), facts)

    state = asyncio.run(main())
    assert state.method == "none"
    assert "VLLM_SERVER_DEV_MODE=1" in state.detail


def test_a_busy_server_is_asked_again(monkeypatch):
    async def soon(_seconds: float) -> None: ...

    monkeypatch.setattr(flushing.asyncio, "sleep", soon)
    state, server = flushed({"POST /flush_cache": (400, "text/plain", b"requests are running")})
    assert state.method == "none"
    assert len(server.seen) == 5


def test_no_key_follows_a_redirect_of_the_flush():
    async def main():
        async with serving({"POST /flush_cache": DONE}) as other:

            async def away(writer):
                line = f"HTTP/1.1 307 X\r\nlocation: {other.url}/flush_cache\r\ncontent-length: 0\r\n\r\n"
                writer.write(line.encode())
                await writer.drain()

            async with serving({"POST /flush_cache": away}) as first:
                return await flush("m", endpoint(first.url)), other.seen

    state, seen = asyncio.run(main())
    assert state.method == "none"
    assert seen == []
