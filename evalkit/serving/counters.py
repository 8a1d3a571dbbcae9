"""A server's own counters, and how much of its KV pool is in use."""

from __future__ import annotations

from evalkit.client.types import Target
from evalkit.serving import engines, metrics
from evalkit.serving.control import Control


async def read(target: Target) -> dict[str, float]:
    """The wanted counters of /metrics; empty where there are none. Never raises for a server."""
    async with Control(target.base_url, target.api_key, key_header=target.key_header) as control:
        page = await control.get_text("/metrics")
    return metrics.counters(page.text) if page.ok else {}


async def kv_use(control: Control) -> float | None:
    """Share of the KV pool in use, 0 to 1: a live load page, else the gauge of /metrics. None: not reported."""
    for engine in engines.ENGINES.values():
        if engine.load and (share := engine.kv_use((await control.get_json(engine.load)).json)) is not None:
            return share
    page = await control.get_text("/metrics")
    return metrics.kv_use(metrics.counters(page.text)) if page.ok else None


async def prefix(target: Target) -> tuple[float, float] | None:
    """Prompt tokens so far, and those of them that came from the prefix cache, by the server's own counters."""
    return metrics.prefix(await read(target))


def grown(before: tuple[float, float] | None, after: tuple[float, float] | None) -> tuple[int, int] | None:
    """By how much both grew; None where one was not read, or where the server was started again."""
    if before is None or after is None or after[0] <= before[0] or after[1] < before[1]:
        return None
    return round(after[0] - before[0]), round(after[1] - before[1])
