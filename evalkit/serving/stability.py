"""The soak: load, clients that leave, silence, then a right answer and KV use back to where it was."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from evalkit.client.types import ChatClient, ChatRequest, Exchange, Target
from evalkit.limits import GIVE_UP_AFTER
from evalkit.serving import counters
from evalkit.serving.control import Control
from evalkit.serving.facts import StabilityFacts
from evalkit.text import one_line

DISCONNECTS = 20
IDLE_S = 60.0
#: a client that leaves stays for this share of a usual reply, in turn: before the first token, and while tokens come
_STAYS = (0.1, 0.3, 0.6)
_LONGEST_STAY_S = 2.0
#: a reply that is to be left must last longer than that
_LONG = 1024
#: the same question before and after, so alike that what differs is the order of additions
_ALIKE = 0.5
_QUESTION = "What is the capital of France? Answer with one word."
_CHECK = ChatRequest(messages=({"role": "user", "content": _QUESTION},), max_tokens=32)

Flush = Callable[[], Awaitable[bool]]


@dataclass
class _Load:
    """What the load did so far. `silent`: requests without a reply, one after the other."""

    requests: int = 0
    failed: int = 0
    silent: int = 0
    why: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, exchange: Exchange) -> None:
        self.requests += 1
        self.failed += not exchange.ok
        self.silent = 0 if exchange.ok else self.silent + 1
        if exchange.e2e_us:
            self.seconds.append(exchange.e2e_us / 1e6)
        if exchange.error and len(self.why) < 3:
            self.why.append(exchange.error.message)


async def soak(
    client: ChatClient,
    target: Target,
    requests: Sequence[ChatRequest],
    *,
    concurrency: int,
    minutes: float,
    disconnects: int = DISCONNECTS,
    idle_s: float | None = None,
    flush: Flush | None = None,
) -> StabilityFacts:
    """Runs `requests` round and round at `concurrency` for `minutes`. Never raises for what the server does.

    `flush` empties the prefix cache and says whether it did: only then does a grown KV use mean a leak. The load ends
    early when the server no longer answers.
    """
    loop, load = asyncio.get_running_loop(), _Load()
    check = replace(_CHECK, temperature=requests[0].temperature, extra_body=requests[0].extra_body)
    idle_s = IDLE_S if idle_s is None else idle_s
    async with Control(target.base_url, target.api_key, key_header=target.key_header) as control:
        first = await client.chat(target, check)
        flushed = await flush() if flush else False
        before = await counters.kv_use(control)
        began = loop.time()
        gone = max(GIVE_UP_AFTER, 2) * concurrency

        async def worker(number: int) -> None:
            while loop.time() - began < minutes * 60 and load.silent < gone:
                exchange = await client.chat(target, requests[number % len(requests)])
                load.add(exchange)
                number += concurrency
                if not exchange.ok:
                    await asyncio.sleep(0.5)  # a dead server is not hammered

        await asyncio.gather(*(worker(n) for n in range(concurrency)))
        lasted = (loop.time() - began) / 60
        usual = min(median(load.seconds), _LONGEST_STAY_S) if load.seconds else 0.1
        left = 0
        for number in range(2 * disconnects):  # some replies are there before the client leaves
            if left < disconnects:
                stay = usual * _STAYS[number % len(_STAYS)]
                left += await _leave(client, target, requests[number % len(requests)], stay)
        await asyncio.sleep(idle_s)
        last = await client.chat(target, check)
        flushed = flushed and flush is not None and await flush()
        after = await counters.kv_use(control)
    return StabilityFacts(
        mode=target.label,
        minutes=round(lasted, 2),
        requests=load.requests,
        failed=load.failed,
        disconnects=left,
        idle_s=idle_s,
        right_after=right(first, last),
        kv_before=before,
        kv_after=after,
        flushed=flushed,
        detail=one_line("; ".join(load.why) or (last.error.message if last.error else last.text), limit=200),
    )


def right(first: Exchange, last: Exchange) -> bool | None:
    """Whether the answer after the idle time is as good as the one before the load; None: there was none before."""
    if not (first.ok and first.text.strip()):
        return None
    if not (last.ok and last.text.strip()):
        return False
    before, after = (one_line(e.text, limit=400).casefold() for e in (first, last))
    if "paris" in before:
        return "paris" in after
    return difflib.SequenceMatcher(None, before, after).ratio() >= _ALIKE


async def _leave(client: ChatClient, target: Target, request: ChatRequest, stay_s: float) -> bool:
    """Asks, and hangs up while the server works; False when the reply was there before."""
    longer = replace(request, max_tokens=max(request.max_tokens, _LONG))
    try:
        await asyncio.wait_for(client.chat(target, longer), stay_s)
    except TimeoutError:
        return True
    return False
