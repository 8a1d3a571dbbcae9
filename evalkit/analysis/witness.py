"""What the machine did beside the run: the witness's samples in a few figures. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from evalkit.checklist.items import ModesItem
from evalkit.facts import Facts
from evalkit.findings import Frozen
from evalkit.timing.facts import WitnessSample

#: seconds of timing that have to have been seen
_FEWEST_S = 2.0
#: growth of the memory that others hold on a server's device, in GiB, from which they are at work there
_GROWN_GIB = 1.0


class GpuCrowd(Frozen):
    """Other processes on one device while modes were timed: share of its time (median), and by how many GiB the memory
    that they hold grew. None: not told.
    """

    gpu: int
    share: float | None
    grown_gib: float | None


class Crowd(Frozen):
    """`outside_cpu`: share of all cores that other processes used while modes were timed (median over time, and most);
    None where the servers' own processes are not known. `steal`, `psi`, `load`: medians. `gpus`: those of the servers.
    """

    seconds: float
    cores: int
    outside_cpu: float | None
    outside_most: float | None
    before: float | None
    after: float | None
    steal: float | None
    psi: float | None
    load: float | None
    gpus: tuple[GpuCrowd, ...] = ()

    def busiest(self, most: float) -> GpuCrowd | None:
        """The device that others used most, where that is more than the share `most`, or took memory of."""
        over = [g for g in self.gpus if (g.share or 0.0) > most or (g.grown_gib or 0.0) > _GROWN_GIB]
        return max(over, key=lambda g: (g.share or 0.0, g.grown_gib or 0.0), default=None)


def crowd(facts: Facts) -> Crowd | None:
    """What was seen of the machine while modes were timed; None where nothing was, or not for long enough."""
    during = [s for s in facts.witness if s.phase == "during"]
    seconds = sum(s.seconds for s in during)
    if seconds < _FEWEST_S:
        return None
    apart = all(s.separable for s in facts.witness)
    shares = [(s.outside_cpu / s.cores, s.seconds) for s in during]
    return Crowd(
        seconds=round(seconds, 1),
        cores=during[-1].cores,
        outside_cpu=_median(shares) if apart else None,
        outside_most=max(share for share, _ in shares) if apart else None,
        before=_phase(facts.witness, "before") if apart else None,
        after=_phase(facts.witness, "after") if apart else None,
        steal=_median((s.steal, s.seconds) for s in during if s.steal is not None),
        psi=_median((s.psi, s.seconds) for s in during if s.psi is not None),
        load=_median((s.load, s.seconds) for s in during if s.load is not None),
        gpus=tuple(_gpu(facts.witness, index) for index in sorted({g.gpu for s in during for g in s.gpus})),
    )


def _gpu(samples: Iterable[WitnessSample], index: int) -> GpuCrowd:
    """The first look, before timing, tells what was held already: an idle second mode, a display."""
    seen = [(s, g) for s in samples for g in s.gpus if g.gpu == index]
    held = [g.memory_bytes for s, g in seen if s.phase != "after" and g.memory_bytes is not None]
    return GpuCrowd(
        gpu=index,
        share=_median((g.share, s.seconds) for s, g in seen if s.phase == "during" and g.share is not None),
        grown_gib=round((max(held) - held[0]) / 2**30, 3) if held else None,
    )


def crowded(item: ModesItem, facts: Facts) -> Literal["crowded", "crowded-gpu"] | None:
    """Whether other work used so much of the cores, or of a server's GPU, that no claim about speed can be decided. A
    simulated run claims nothing about this machine.
    """
    seen = None if facts.start.simulated else crowd(facts)
    if seen is None:
        return None
    if seen.outside_cpu is not None and seen.outside_cpu > item.outside_cpu:
        return "crowded"
    return "crowded-gpu" if seen.busiest(item.outside_gpu) is not None else None


def _phase(samples: Iterable[WitnessSample], phase: str) -> float | None:
    return _median((s.outside_cpu / s.cores, s.seconds) for s in samples if s.phase == phase)


def _median(weighted: Iterable[tuple[float, float]]) -> float | None:
    """The value below which half of the time lies."""
    ordered = sorted(weighted)
    half, passed = sum(weight for _, weight in ordered) / 2, 0.0
    for value, weight in ordered:
        passed += weight
        if passed >= half:
            return round(value, 4)
    return None
