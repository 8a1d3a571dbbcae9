"""Empties a server's prefix cache. The admin key goes to this one request and nowhere else."""

from __future__ import annotations

import asyncio

from evalkit.checklist.schema import Endpoint
from evalkit.limits import FLUSH_S
from evalkit.serving.control import Control, base_url
from evalkit.serving.facts import EndpointFacts
from evalkit.serving.keys import resolve_key
from evalkit.timing.facts import CacheState

_TRIES = 5


async def flush(label: str, endpoint: Endpoint, facts: EndpointFacts | None = None) -> CacheState:
    """`method` flush when the server said that it did; none, with the reason, otherwise. Never raises for a server.

    Raises:
        UsageError: a variable named for a key is not set.
    """
    engine = facts.engine if facts else None
    address = endpoint.endpoint or (facts.endpoint if facts else None)
    if address is None or engine not in ("sglang", "vllm", None):
        return CacheState(mode=label, method="none", detail=f"{engine or 'this server'} has no cache flush")
    key = resolve_key(endpoint.admin_key_env) or resolve_key(endpoint.api_key_env)
    path = "/reset_prefix_cache" if engine == "vllm" else "/flush_cache?timeout=30"
    async with Control(base_url(address)) as control:
        for _ in range(_TRIES):
            reply = await control.post(path, key=key, total_s=FLUSH_S)
            if reply.ok:
                return CacheState(mode=label, method="flush", detail="the server emptied its cache")
            if reply.status != 400:  # 400: requests are still running
                break
            await asyncio.sleep(1)
    message = reply.error.message if reply.error else "no answer"
    hint = "; name the admin key's variable in admin_key_env" if reply.error and reply.error.kind == "auth" else ""
    if engine == "vllm" and reply.status == 404:
        hint = "; vLLM has this route only when started with VLLM_SERVER_DEV_MODE=1"
    return CacheState(mode=label, method="none", detail=f"not flushed: {message}{hint}")
