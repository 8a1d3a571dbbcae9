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
