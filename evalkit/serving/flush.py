"""Empties a server's prefix cache. The admin key goes to this one request and nowhere else."""

from __future__ import annotations

import asyncio

from evalkit.checklist.schema import Endpoint
from evalkit.environment import resolve_key
from evalkit.limits import FLUSH_S
from evalkit.secrets import Secret
from evalkit.serving.control import Control
from evalkit.serving.engines import ENGINES, engine_of
from evalkit.serving.engines.base import Flush
from evalkit.serving.facts import EndpointFacts
from evalkit.serving.pages import Reply
from evalkit.timing.facts import CacheState

_TRIES = 5
#: requests are still running; no such route
_BUSY, _ABSENT = 400, 404


async def flush(label: str, endpoint: Endpoint, facts: EndpointFacts | None = None) -> CacheState:
    """`method` flush when the server said that it did; none, with the reason, otherwise. Never raises for a server.

    Raises:
        UsageError: a variable named for a key is not set.
    """
    name = facts.engine if facts else None
    address = endpoint.endpoint or (facts.endpoint if facts else None)
    ways = [engine_of(name).flush] if name else [engine.flush for engine in ENGINES.values()]
    routes = [way for way in ways if way is not None]
    if address is None or not routes:
        return CacheState(mode=label, method="none", detail=f"{name or 'this server'} has no cache flush")
    key = resolve_key(endpoint.admin_key_env) or resolve_key(endpoint.api_key_env)
    said: list[str] = []
    async with Control(address, key_header=endpoint.api_key_header) as control:
        for way in routes:
            reply = await _post(control, way.path, key)
            if reply.ok:
                return CacheState(mode=label, method="flush", detail="the server emptied its cache")
            said.append(_why(reply, way))
            if reply.status != _ABSENT:
                break
    return CacheState(mode=label, method="none", detail=f"not flushed: {said[0]}")


async def _post(control: Control, path: str, key: Secret | None) -> Reply:
    for tried in range(1, _TRIES + 1):
        reply = await control.post(path, key=key, total_s=FLUSH_S)
        if reply.status != _BUSY or tried == _TRIES:
            break
        await asyncio.sleep(1)
    return reply


def _why(reply: Reply, way: Flush) -> str:
    message = reply.error.message if reply.error else "no answer"
    if reply.error and reply.error.kind == "auth":
        return f"{message}; name the admin key's variable in admin_key_env"
    return f"{message}; {way.absent}" if reply.status == _ABSENT and way.absent else message
