"""A server's own counters, of a Prometheus page: the few that tell how it decodes, summed over their labels."""

from __future__ import annotations

import math
import re

from evalkit.client.types import Target
from evalkit.serving import engines
from evalkit.serving.control import Control

_KIND = re.compile(r'mode="(decode|prefill)_')
_PROCESS = "process_start_time_seconds"
_MAX_LINES = 200_000


async def read(target: Target) -> dict[str, float]:
    """The wanted counters of /metrics; empty where there are none. Never raises for a server."""
    async with Control(target.base_url, target.api_key, key_header=target.key_header) as control:
        page = await control.get_text("/metrics")
    return sampled(page.text) if page.ok else {}


async def kv_use(control: Control) -> float | None:
    """Share of the KV pool in use, 0 to 1: a live load page, else the gauge of /metrics. None: not reported."""
    for engine in engines.ENGINES.values():
        if engine.load and (share := engine.kv_use((await control.get_json(engine.load)).json)) is not None:
            return share
    page = await control.get_text("/metrics")
    return kv_share(sampled(page.text)) if page.ok else None


async def prefix(target: Target) -> tuple[float, float] | None:
    """Prompt tokens so far, and those of them that came from the prefix cache, by the server's own counters."""
    return prefix_of(await read(target))


def grown(before: tuple[float, float] | None, after: tuple[float, float] | None) -> tuple[int, int] | None:
    """By how much both grew; None where one was not read, or where the server was started again."""
    if before is None or after is None or after[0] <= before[0] or after[1] < before[1]:
        return None
    return round(after[0] - before[0]), round(after[1] - before[1])


def sampled(page: str) -> dict[str, float]:
    """Wanted samples by name. Malformed lines are skipped; histograms' buckets are left out."""
    known = tuple(engines.names())
    wanted = {_PROCESS, *(name for names in known for name in names.wanted)}
    prefixes = tuple(prefix for names in known for prefix in names.prefixes)
    by_kind = {names.rounds for names in known if names.rounds}
    found: dict[str, float] = {}
    for number, line in enumerate(page.splitlines()):
        if number >= _MAX_LINES:
            break
        if line.startswith("#"):
            continue
        name = line.partition("{")[0].partition(" ")[0]
        if name not in wanted and not (name.startswith(prefixes) and not name.endswith(("_bucket", "_created"))):
            continue
        kind = _KIND.search(line) if name in by_kind else None
        if kind:
            name = f"{name}{{{kind.group(1)}}}"
        value = _number(line.rpartition("}")[2] if "}" in line else line.partition(" ")[2])
        if value is not None and len(name) < 100 and len(found) < 100:
            found[name] = found.get(name, 0.0) + value
    return found


def _number(text: str) -> float | None:
    parts = text.split()
    try:
        value = float(parts[0]) if parts else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def kv_share(found: dict[str, float]) -> float | None:
    """Share of the KV cache in use, 0 to 1, or None where the server does not report it."""
    return next((found[names.kv_use] for names in engines.names() if names.kv_use in found), None)


def prefix_of(found: dict[str, float]) -> tuple[float, float] | None:
    """Prompt tokens so far, and those of them that came from the prefix cache: an engine shows the second counter once
    there is one. None where the first is not reported.
    """
    names = next((names for names in engines.names() if names.prompts in found), None)
    return (found[names.prompts], found.get(names.cached, 0.0)) if names else None
