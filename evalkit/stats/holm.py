"""Holm's step-down rule over several claims (Holm 1979): the chance of any false claim stays below alpha."""

from __future__ import annotations

from collections.abc import Mapping


def levels(p_values: Mapping[str, float], alpha: float) -> dict[str, float]:
    """The level at which each claim is tested: alpha/m for the smallest p, alpha/(m−1) for the next, and so on."""
    order = sorted(p_values, key=lambda name: (p_values[name], name))
    return {name: alpha / (len(order) - place) for place, name in enumerate(order)}


def rejected(p_values: Mapping[str, float], alpha: float) -> set[str]:
    """The claims that hold: in order of p until the first that does not."""
    held: set[str] = set()
    for name, level in levels(p_values, alpha).items():
        if p_values[name] > level:
            break
        held.add(name)
    return held
