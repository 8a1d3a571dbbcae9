"""What a live server says of its own memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_KEPT = ("weight", "kvcache", "graph")


def memory_gib(info: Mapping[str, Any]) -> dict[str, float]:
    """GiB on one device by SGLang's `/server_info` (`internal_states[0].memory_usage`); empty where it is not told.

    SGLang divides bytes by 2**30 and calls the result GB.
    """
    states = info.get("internal_states")
    first = states[0] if isinstance(states, list) and states else None
    told = first.get("memory_usage") if isinstance(first, Mapping) else None
    if not isinstance(told, Mapping):
        return {}
    values = {name: told[name] for name in _KEPT if isinstance(told.get(name), (int, float))}
    return {n: float(v) for n, v in values.items() if not isinstance(v, bool) and math.isfinite(v) and 0 <= v < 1e6}
