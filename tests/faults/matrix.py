"""The fault matrix: every fault at every kind of place in a run, early, in the middle and late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evalkit.modes import INCUMBENT
from tests.faults.scenario import AR, DIFFUSION, SELF, Outcome, Stage
from tests.support.faults import FAULTS, Fault
from tests.support.faults.registry import CONTROL, GENERATION

STAGES = ("early", "middle", "late")


@dataclass(frozen=True)
class Place:
    """Where a fault strikes: requests of one server. `bears` are the modes whose evidence it takes there.

    `spare`: stages whose requests a verdict can do without, so that only what lasts takes evidence there.
    """

    name: str
    text: str
    server: str
    requests: frozenset[str]
    kind: str
    bears: tuple[str, ...]
    spare: tuple[str, ...] = ()


def _place(name: str, text: str, server: str, requests: str, kind: str, *bears: str, spare: str = "") -> Place:
    return Place(name, text, server, frozenset(requests.split()), kind, bears, tuple(spare.split()))


PLACES = {
    place.name: place
    for place in (
        _place("control", "what a mode's server says of itself (late: cache flushes, counters, the look after the work)",
               DIFFUSION, "control flush", CONTROL, DIFFUSION),
        _place("probe", "the streams that show how it decodes and what it can, beside what it declares", DIFFUSION,
               "probe", GENERATION, DIFFUSION, spare="middle late"),
        _place("timing", "timed requests of a mode", DIFFUSION, "timing", GENERATION, DIFFUSION),
        _place("quality", "task requests of a mode", DIFFUSION, "quality", GENERATION, DIFFUSION),
        _place("context", "the probe of a mode's window", DIFFUSION, "context", GENERATION, DIFFUSION),
        _place("incumbent", "task requests of the incumbent, whose comparison is required", INCUMBENT, "quality",
               GENERATION, DIFFUSION, SELF),
        _place("baseline", "timed and task requests of the baseline", AR, "timing quality", GENERATION, DIFFUSION, SELF),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    fault: Fault
    place: Place
    stage: str

    @property
    def name(self) -> str:
        return f"{self.fault.name}-{self.place.name}-{self.stage}"

    @property
    def lost(self) -> bool:
        """Whether the fault takes the evidence here."""
        if self.stage in self.place.spare and not (self.fault.lasting or self.fault.alters):
            return False
        return self.fault.loses_at(self.place.name, self.stage)


def cells() -> Iterator[Cell]:
    """Each fault at each place that it can strike, early, in the middle and late."""
    for fault in FAULTS.values():
        for place in PLACES.values():
            if place.kind in fault.where:
                yield from (Cell(fault, place, stage) for stage in STAGES)


def sampled(cell: Cell) -> bool:
    """Whether the suite plays the cell: of each fault every sixth place, the stages in turn."""
    fault, place = list(FAULTS).index(cell.fault.name), list(PLACES).index(cell.place.name)
    return (fault + place) % 6 == 0 and cell.stage == STAGES[(fault + place // 6) % len(STAGES)]


class Matrix:
    """Plays cells on one stage, after one run without a fault that says how many requests each place sees."""

    def __init__(self, stage: Stage, monkeypatch: Any) -> None:
        self.stage, self.monkeypatch = stage, monkeypatch

    @cached_property
    def base(self) -> Outcome:
        outcome = self.stage.play(self.monkeypatch)
        self.counts = {label: server.counts for label, server in self.stage.servers.items()}
        return outcome

    def window(self, place: Place, stage: str) -> tuple[int, int]:
        """The third of the place's requests that a stage is. Of the control plane: the descriptions, those behind the
        first, what comes after; of the baseline: half of the timed requests, the other half, the tasks.
        """
        assert self.base
        counts, third = self.counts[place.server], STAGES.index(stage)
        total = sum(n for name, n in counts.items() if name in place.requests)
        if place.name == "control":
            return ((0, 4), (1, 4), (4, total))[third]
        if place.name == "baseline":
            timed = counts["timing"]
            return ((0, timed // 2), (timed // 2, timed), (timed, total))[third]
        return total * third // 3, total * (third + 1) // 3

    def play(self, cell: Cell) -> tuple[Outcome, int]:
        """The run with its fault, and how often the fault struck."""
        first, last = self.window(cell.place, cell.stage)
        for server in self.stage.servers.values():
            server.heal()
        armed = self.stage.servers[cell.place.server].arm(
            cell.fault, cell.place.requests, first, 1 << 30 if cell.fault.lasting else last
        )
        armed.memory["jump"] = self.stage.clock.jump
        try:
            return self.stage.play(self.monkeypatch), armed.struck
        finally:
            self.stage.clock.wall = 0.0
