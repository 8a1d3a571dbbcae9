"""Each mode beside the model used today: the same claims, with that as the baseline and equal speed as the threshold.

Pure figures. The incumbent is timed in the same groups of prompts, and gets the same blocks of load, as the modes.
"""

from __future__ import annotations

from collections import Counter

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.modes import INCUMBENT


def beside_incumbent(checklist: Checklist) -> Checklist:
    """The checklist that asks of each mode whether it is faster than the incumbent; tested together are as many claims
    as in `checklist`.
    """
    item = checklist.items.modes
    update: dict[str, object] = {
        "adopt": list(checklist.adopted), "speedup": item.speedup.model_copy(update={"at_least": 1.0}),
    }  # fmt: skip
    if item.capacity is not None:
        update["capacity"] = item.capacity.model_copy(update={"at_least": 1.0})
    return checklist.model_copy(update={
        "baseline": checklist.baseline.model_copy(update={"speed": INCUMBENT}),
        "items": checklist.items.model_copy(update={"modes": item.model_copy(update=update)}),
    })  # fmt: skip


def machine(facts: Facts, label: str) -> str | None:
    """The cards under one endpoint: those that its process was seen on, else what the checklist declares; None where
    that says nothing of it.
    """
    hardware = facts.hardware
    if hardware is None:
        return None
    on = hardware.endpoint_gpus.get(label, ())
    names = Counter(gpu.name for gpu in hardware.gpus if gpu.index in on)
    if names:
        return ", ".join(name if count == 1 else f"{count} x {name}" for name, count in sorted(names.items()))
    served = facts.endpoints.get(label)
    if hardware.cpu_only and served is not None and served.place == "here":
        return hardware.cpu or "cpu"
    # what is declared is behind the candidate's endpoints: today's model may be served anywhere
    return hardware.declared if label != INCUMBENT else None


def engine(facts: Facts, label: str) -> str | None:
    """Engine and version as the server reports them."""
    served = facts.endpoints.get(label)
    return " ".join(filter(None, (served.engine, served.engine_version))) or None if served else None


def way_unknown(facts: Facts, mode: str) -> bool:
    """Whether the round trip to one of the two was not measured although it is not on this machine."""
    both = [facts.endpoints.get(label) for label in (mode, INCUMBENT)]
    return any(one is not None and one.round_trip_ms is None and one.place != "here" for one in both)
