"""Counters of a Prometheus page: the few that tell how a server decodes, summed over their labels."""

from __future__ import annotations

import math
import re

from evalkit.serving import engines

_KIND = re.compile(r'mode="(decode|prefill)_')
_PROCESS = "process_start_time_seconds"
_MAX_LINES = 200_000


def counters(page: str) -> dict[str, float]:
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


def kv_use(found: dict[str, float]) -> float | None:
    """Share of the KV cache in use, 0 to 1, or None where the server does not report it."""
    return next((found[names.kv_use] for names in engines.names() if names.kv_use in found), None)


def prefix(found: dict[str, float]) -> tuple[float, float] | None:
    """Prompt tokens so far, and those of them that came from the prefix cache: an engine shows the second counter once
    there is one. None where the first is not reported.
    """
    names = next((names for names in engines.names() if names.prompts in found), None)
    return (found[names.prompts], found.get(names.cached, 0.0)) if names else None
