"""The soak: load, clients that leave, silence, then a right answer and KV use back to where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from evalkit.client.types import ChatClient, ChatRequest, Exchange, Target
from evalkit.serving import metrics
from evalkit.serving.control import Control
from evalkit.serving.facts import StabilityFacts

DISCONNECTS = 20
IDLE_S = 60.0
_CHECK = ChatRequest(messages=({"role": "user", "content": "What is the capital of France? One word."},), max_tokens=32)


def _answered(exchange: Exchange) -> bool:
    return exchange.ok and bool(exchange.text.strip())


async def soak(
    client: ChatClient,
    target: Target,
    requests: Sequence[ChatRequest],
    *,
    concurrency: int,
    minutes: float,
    disconnects: int = DISCONNECTS,
    idle_s: float = IDLE_S,
    right: Callable[[Exchange], bool] = _answered,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> StabilityFacts:
    """Runs `requests` round and round at `concurrency` for `minutes`. Never raises for what the server does.

    `right` judges the answer after the idle time; it may compare it with a reply from before the load.
    """
    loop = asyncio.get_running_loop()
    began, counts = loop.time(), [0, 0]
    async with Control(target.base_url, target.api_key) as control:
        before = await _kv(control)

        async def worker(first: int) -> None:
            number = first
            while loop.time() - began < minutes * 60:
                exchange = await client.chat(target, requests[number % len(requests)])
                counts[0] += 1
                counts[1] += not exchange.ok
                number += concurrency
                if not exchange.ok:
                    await sleep(0.5)  # a dead server is not hammered

        await asyncio.gather(*(worker(n) for n in range(concurrency)))
        lasted = (loop.time() - began) / 60
        for number in range(disconnects):
            await _leave(client, target, requests[number % len(requests)])
        await sleep(idle_s)
        last = await client.chat(target, _CHECK)
        after = await _kv(control)
    detail = last.error.message if last.error else last.text[:100]
    return StabilityFacts(
        mode=target.label,
        minutes=round(lasted, 2),
        requests=counts[0],
        failed=counts[1],
        disconnects=disconnects,
        idle_s=idle_s,
        right_after=right(last),
        kv_before=before,
        kv_after=after,
        detail=detail,
    )


async def _kv(control: Control) -> float | None:
    page = await control.get_text("/metrics")
    return metrics.kv_use(metrics.counters(page.text)) if page.ok else None


async def _leave(client: ChatClient, target: Target, request: ChatRequest) -> None:
    """Asks, and hangs up while the server works: cancelling closes the connection."""
    try:
        await asyncio.wait_for(client.chat(target, request), 0.2)
    except TimeoutError:
        pass
