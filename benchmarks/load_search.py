"""Capacity searches in simulated time where the capacity is known: coverage of the interval, of one mode and of ratios.

    python benchmarks/load_search.py [--searches 1000] [--only WORLD] [--state FOLDER] [--read]

The queue is simulated, everything else is the product's: arrivals, search, service level, edges, intervals. The truth
takes no search: 4,000 other blocks are walked rate by rate (`true_edge`). Beside it stands the closed form of an
endless queue, where there is one. Edges and truths are kept in the state folder as they are found: a program that was
ended goes on there, and `--read` prints the table of what there is.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from evalkit.analysis.capacity import capacity
from evalkit.analysis.load_claims import capacity_ratio
from evalkit.checklist.load import CapacityAsked
from evalkit.stats.edge import Edge
from evalkit.stats.proportions import wilson
from evalkit.stats.ratio import Allowance
from tests.support.queues import WITHIN, Server, searched, true_edge

#: name: server of the baseline, of the mode, service level, arrivals, seconds of a block
WORLDS = {
    "8 slots, 30 s": (Server(), Server(mean_ms=600), {"e2e_ms": 2500}, "poisson", 30),
    "8 slots, 120 s": (Server(), Server(mean_ms=600), {"e2e_ms": 2500}, "poisson", 120),
    "8 slots, bursts (gamma 2)": (Server(), Server(mean_ms=600), {"e2e_ms": 2500}, "gamma(2)", 60),
    "8 slots, constant": (Server(), Server(mean_ms=600), {"e2e_ms": 2500}, "constant", 60),
    "one slot, exponential": (
        Server(slots=1, mean_ms=200, exponential=True), Server(slots=1, mean_ms=100, exponential=True),
        {"e2e_ms": 2000}, "poisson", 120,
    ),
    "long tail (cv 1.5), 32 slots": (
        Server(slots=32, cv=1.5), Server(slots=32, cv=1.5, mean_ms=700), {"ttft_ms": 500}, "poisson", 30,
    ),
    "sheds at 4 waiting": (Server(shed_at=4), Server(mean_ms=600, shed_at=4), {"e2e_ms": 4000}, "poisson", 60),
    "equal modes": (Server(), Server(), {"e2e_ms": 2500}, "poisson", 60),
}  # fmt: skip
#: searches of a world before the next one's turn
STRIDE = 100


def closed_form(server, slo):
    """Rate at which 95% of an endless M/M/1 queue stay within a limit on the end-to-end latency."""
    if not server.exponential or server.slots != 1:
        return None
    return 1000 / server.mean_ms - math.log(20) / (slo["e2e_ms"] / 1000)


@dataclass(frozen=True)
class World:
    """One world, its truth, and the edges of the searches so far: baseline and mode, with the blocks they took."""

    name: str
    place: Path

    @property
    def asked(self):
        _, _, limits, arrivals, seconds = WORLDS[self.name]
        return CapacityAsked.model_validate(
            {"slo": {**limits, "share": 0.95}, "arrivals": arrivals, "seconds": seconds, "blocks": 8}
        )

    def truths(self):
        """Mean log edge and its standard error, of the baseline and of the mode."""
        place = self.place.with_suffix(".truth.json")
        if not place.exists():
            one, other = WORLDS[self.name][:2]
            guess = one.slots * 1000 / one.mean_ms
            place.write_text(
                json.dumps([true_edge(s, self.asked, low=guess / 3, high=3 * guess) for s in (one, other)])
            )
        return json.loads(place.read_text())

    def rows(self):
        return [json.loads(line) for line in self.place.open()] if self.place.exists() else []

    def add(self, number):
        found = [searched(server, mode, self.asked, seed=f"{number}", within=WITHIN, number=number)
                 for server, mode in zip(WORLDS[self.name][:2], "ab", strict=True)]  # fmt: skip
        edges = [[(round(one.rate, 6), one.kind) for one in each.edges] for each, _ in found]
        with self.place.open("a") as out:
            out.write(json.dumps({"edges": edges, "blocks": sum(len(blocks) for _, blocks in found)}) + "\n")

    def line(self):
        """A row of the table, from the searches so far."""
        rows, truths, asked, (server, _, limits, *_) = self.rows(), self.truths(), self.asked, WORLDS[self.name]
        alone, ratios = Tally(truths[0][0]), Tally(truths[1][0] - truths[0][0])
        for row in rows:
            edges = [tuple(Edge(*one) for one in each) for each in row["edges"]]
            alone.add(capacity(edges[0], asked, 0.95))
            ratios.add(capacity_ratio(edges[1], edges[0], 0.95, Allowance(), 10**9))
        exact = closed_form(server, limits)
        cells = (self.name, f"{math.exp(truths[0][0]):.2f}", "" if exact is None else f"{exact:.2f}", f"{len(rows):,}",
                 *alone.cells(), f"{math.exp(ratios.truth):.2f}×", *ratios.cells(),
                 f"{sum(row['blocks'] for row in rows) / len(rows) / 2:.1f}")  # fmt: skip
        return f"| {' | '.join(cells)} |"


@dataclass
class Tally:
    """Intervals beside a truth in logs."""

    truth: float
    n: int = 0
    above: int = 0
    below: int = 0
    widths: list[float] = field(default_factory=list)

    def add(self, interval):
        self.n += 1
        low, high = math.log(interval.low or 1e-9), math.log(interval.high)
        self.above += low > self.truth
        self.below += high < self.truth
        self.widths.append((high - low) / 2)

    def cells(self):
        held = self.n - self.above - self.below
        chance = wilson(held, self.n)
        return (f"{100 * held / self.n:.1f} [{100 * chance.low:.1f}, {100 * chance.high:.1f}]",
                f"{100 * self.above / self.n:.1f} / {100 * self.below / self.n:.1f}",
                f"±{100 * median(self.widths):.0f}%")  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--searches", type=int, default=1000)
    parser.add_argument("--only")
    parser.add_argument("--state", type=Path, default=Path("build/load_search"))
    parser.add_argument("--read", action="store_true", help="print the table of what there is")
    args = parser.parse_args()
    args.state.mkdir(parents=True, exist_ok=True)
    names = [args.only] if args.only else list(WORLDS)
    worlds = [World(name, args.state / f"{re.sub(r'[^a-z0-9]+', '-', name)}.jsonl") for name in names]
    for upto in range(0 if args.read else STRIDE, 1 if args.read else args.searches + STRIDE, STRIDE):
        for world in worlds:  # a stride of each in turn: what there is at any time is of all worlds
            for number in range(len(world.rows()), min(upto, args.searches)):
                world.add(number)
            if upto:
                print(world.line(), flush=True)
    covered = "covered % | above / below % | width"
    print(f"| world | capacity /s | endless queue /s | searches | {covered} | ratio | {covered} | blocks a mode |")
    print("| --- | " + "---: | " * 11)
    for world in worlds:
        if world.rows():
            print(world.line())


if __name__ == "__main__":
    main()
