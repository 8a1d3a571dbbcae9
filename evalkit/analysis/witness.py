"""What the machine did beside the run: the witness's samples in a few figures. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.facts import Facts
from evalkit.findings import Frozen
from evalkit.timing.facts import WitnessSample

#: seconds of timing that have to have been seen
_FEWEST_S = 2.0


class Crowd(Frozen):
    """`outside_cpu`: share of all cores that other processes used while modes were timed (median over time, and most);
    None where the servers' own processes are not known. `steal`, `psi` and `load`: medians.
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
    )


def crowded(facts: Facts, most: float) -> bool:
    """Whether other work used more than `most` of the cores, so that no claim about speed can be decided. A simulated
    run claims nothing about this machine.
    """
    seen = None if facts.start.simulated else crowd(facts)
    return seen is not None and seen.outside_cpu is not None and seen.outside_cpu > most


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
