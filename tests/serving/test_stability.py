"""The soak against servers that hold, die, hang or leak."""

from __future__ import annotations

import asyncio
import json

import pytest

from evalkit.checklist.schema import Checklist, Endpoint
from evalkit.client.types import ChatRequest, Exchange, ExchangeError, Target
from evalkit.client.wire import WireClient
from evalkit.facts import Facts, RunStart
from evalkit.findings import Status
from evalkit.items.serving.afterwards import stability as decide
from evalkit.reference import ReferenceProcess, ReferenceServer, Script
from evalkit.serving.flush import flush
from evalkit.serving.stability import right, soak
from tests.serving.replay import serving

PROMPTS = [ChatRequest(messages=({"role": "user", "content": f"Tell me about {n}."},), max_tokens=64) for n in range(5)]
MINUTES = 0.03


def soaked(url: str, *, emptied: bool = True, disconnects: int = 20, client=None):
    async def main():
        asked = client or WireClient()
        target = Target(label="diffusion", base_url=url, model="m")

        async def empty() -> bool:
            return (await flush("diffusion", Endpoint(endpoint=url))).method == "flush"

        try:
            return await soak(
                asked, target, PROMPTS, concurrency=2, minutes=MINUTES, disconnects=disconnects, idle_s=0.2,
                flush=empty if emptied else None,
            )  # fmt: skip
        finally:
            await asked.aclose()

    return asyncio.run(main())


def judged(soak_facts):
    asked = Checklist.model_validate(
        {"modes": {"diffusion": {}}, "items": {"serving": {"stability": {"minutes": MINUTES}}}}
    )
    start = RunStart(run_id="r", started_at="2026-11-24T00:00:00Z", evalkit_version="0", plan_sha256="",
                     checklist_sha256="")  # fmt: skip
    (found,) = decide(asked, Facts(start=start, stability={"diffusion": soak_facts}), "diffusion")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["autoregressive", "diffusion"])
def test_a_healthy_server_passes(mode):
    # slow enough that clients who leave hit a reply in work
    with ReferenceServer(Script(mode=mode, ttft_ms=5, ms_per_forward=4)) as server:
        seen = soaked(server.base_url)
    assert seen.requests > 0
    assert seen.failed == 0
    assert seen.disconnects >= 10
    assert seen.flushed
    assert seen.kv_before is not None
    assert judged(seen).outcome == "steady"


@pytest.mark.slow
def test_what_the_prefix_cache_keeps_is_no_leak_but_a_word():
    with ReferenceServer(Script(ttft_ms=5, ms_per_forward=4, max_total_num_tokens=2048)) as server:
        seen = soaked(server.base_url, emptied=False)
    assert not seen.flushed
    assert seen.kv_after > seen.kv_before
    found = judged(seen)
    assert (found.outcome, found.status) == ("memory-drifts", Status.WARN)


@pytest.mark.slow
def test_a_server_that_dies_under_load_fails_and_ends_the_load():
    with ReferenceProcess(Script(ttft_ms=5, ms_per_forward=1, die_after_requests=6)) as server:
        seen = soaked(server.base_url)
    assert seen.failed > 0
    assert seen.right_after is False
    found = judged(seen)
    assert (found.outcome, found.status) == ("failed", Status.FAIL)


def test_a_closed_port_ends_the_load_early_and_is_never_a_pass():
    from evalkit.serving.launch import free_port

    seen = soaked(f"http://127.0.0.1:{free_port()}", disconnects=2)
    assert seen.minutes < MINUTES * 60
    assert seen.failed == seen.requests > 0
    assert judged(seen).status is Status.FAIL


class Leaky:
    """Answers at once; the KV use of the server grows with each request."""

    def __init__(self) -> None:
        self.sent = 0

    async def chat(self, target: Target, request: ChatRequest, *, request_id: str | None = None) -> Exchange:
        self.sent += 1
        await asyncio.sleep(0.01)
        return Exchange(ok=True, status=200, text="Paris.", finish_reason="stop", completion_tokens=2)

    async def aclose(self) -> None: ...


def test_blocks_that_stay_in_use_after_the_load_are_a_leak():
    client = Leaky()

    async def loads(writer):
        share = min(1.0, client.sent / 1000)
        body = json.dumps({"loads": [{"token_usage": share}]}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body)
        await writer.drain()

    async def main():
        async with serving({"/v1/loads": loads, "POST /flush_cache": (200, "text/plain", b"ok")}) as server:

            async def empty() -> bool:
                return (await flush("diffusion", Endpoint(endpoint=server.url))).method == "flush"

            target = Target(label="diffusion", base_url=server.url, model="m")
            return await soak(client, target, PROMPTS, concurrency=2, minutes=MINUTES, disconnects=0, idle_s=0.05,
                              flush=empty)  # fmt: skip

    seen = asyncio.run(main())
    assert seen.kv_after - seen.kv_before > 0.02
    assert judged(seen).status is Status.FAIL


def exchange(text: str | None) -> Exchange:
    if text is None:
        return Exchange(ok=False, error=ExchangeError(kind="timeout", message="late"))
    return Exchange(ok=True, text=text)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("Paris", "The capital is Paris.", True),
        ("Paris", "!!!!!!!!!!!!", False),
        ("Paris", None, False),
        ("Paris", "  ", False),
        ("once upon a time there was a city", "once upon a time there is a city", True),
        ("once upon a time there was a city", "@@ 0 0 0 0 0 0 0", False),
        (None, "Paris", None),
    ],
)
def test_the_answer_after_is_held_against_the_one_before(before, after, expected):
    assert right(exchange(before), exchange(after)) is expected
