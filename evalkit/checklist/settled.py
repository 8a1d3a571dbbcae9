"""A checklist whose swept mode is replaced by the settings that a sweep left. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.checklist.schema import Checklist, Endpoint


def settled(checklist: Checklist, chosen: Mapping[str, Endpoint]) -> Checklist:
    """The checklist with `chosen` in the place of the swept mode and its configurations: what the run decides."""
    sweep = checklist.sweep
    assert sweep is not None
    data: dict[str, Any] = checklist.model_dump(mode="python", exclude_unset=True)
    own = {label: one.model_dump(mode="python", exclude_unset=True) for label, one in chosen.items()}
    modes: dict[str, Any] = {}
    for label, endpoint in data.get("modes", {}).items():
        modes |= own if is_swept(label, sweep.mode) else {label: endpoint}
    items = data.get("items", {})
    timed, serving = items.get("modes", {}), items.get("serving", {})
    for part, key in ((timed, "adopt"), (timed, "launch_order"), (serving, "require")):
        if isinstance(part.get(key), list):
            part[key] = _named(part[key], sweep.mode, list(own))
    return Checklist.model_validate({**data, "modes": modes})


def is_swept(label: str, mode: str) -> bool:
    """Whether a label is the swept mode or a configuration of it."""
    return label == mode or label.startswith(f"{mode}@")


def _named(labels: Sequence[str], mode: str, chosen: Sequence[str]) -> list[str]:
    """`labels` with the chosen settings where the swept mode is."""
    every = (one for label in labels for one in (chosen if is_swept(label, mode) else (label,)))
    return list(dict.fromkeys(every))
