"""A server's own counters, and how much of its KV pool is in use."""

from __future__ import annotations

from evalkit.client.types import Target
from evalkit.serving import metrics
from evalkit.serving.control import Control


async def read(target: Target) -> dict[str, float]:
    """The wanted counters of /metrics; empty where there are none. Never raises for a server."""
    async with Control(target.base_url, target.api_key) as control:
        page = await control.get_text("/metrics")
    return metrics.counters(page.text) if page.ok else {}


async def kv_use(control: Control) -> float | None:
    """Share of the KV pool in use, 0 to 1: SGLang's live load, else the gauge of /metrics. None: it is not told."""
    loads = await control.get_json("/v1/loads")
    ranks = loads.json.get("loads") if isinstance(loads.json, dict) else None
    if isinstance(ranks, list) and ranks:
        told = [rank.get("token_usage") for rank in ranks if isinstance(rank, dict)]
        shares = [float(value) for value in told if isinstance(value, int | float) and 0 <= value <= 1]
        if shares and len(shares) == len(ranks):
            return max(shares)
    page = await control.get_text("/metrics")
    return metrics.kv_use(metrics.counters(page.text)) if page.ok else None
