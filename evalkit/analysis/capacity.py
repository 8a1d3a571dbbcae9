"""The capacity of a mode: the rate at which a block just keeps the service level, and the search for it. Pure.

The search raises or lowers the rate on one block's arrivals until its edge is found, then goes on to the next block,
near the edges found so far. The edges are the sample: one value a block.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from evalkit.analysis.load import CAPACITY, kept
from evalkit.checklist.load import CapacityAsked
from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.stats.edge import FIRST_STRIDE, LATER_STRIDE, Edge, Grid, Tried, edge, grid, mean_log, next_rate
from evalkit.timing.arrivals import RAMP
from evalkit.timing.facts import LoadBlock

#: an edge is never sought below a rate at which a block counts so many requests
_LEAST_REQUESTS = 3.0
#: the block that finds out where edges lie: it comes from far, so that chance stops it early, and is no sample
PILOT = 0
#: the first search starts below what one request at a time would take, and reaches from there
_HUMBLE = 0.5


#: single blocks whose requests come in a crowd have edges far below the others: skewness of edges to the left, in
#: simulated queues 0 to 1.8. Of a ratio of two modes it is small, since both get the same crowds.
_LEAN = 0.5


@dataclass(frozen=True, slots=True)
class Search:
    """The capacity search of one mode: what the next trial is, and what is known so far."""

    #: of the blocks behind the pilot
    edges: tuple[Edge, ...]
    #: block number and rate to try next; None: the search is over
    next: tuple[int, float] | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """Rates between which a search may go, and where it begins; requests a second."""

    start: float
    least: float
    most: float


def bounds(asked: CapacityAsked, client: float, e2e_ms: float | None) -> Bounds:
    """`client`: what evalkit can send; `e2e_ms`: of one request at a time."""
    most = min(asked.most or math.inf, client)
    least = min(_LEAST_REQUESTS / (asked.seconds * (1 - RAMP)), most)
    guess = asked.start or (1000 * _HUMBLE / e2e_ms if e2e_ms else 1.0)
    return Bounds(min(max(guess, least), most), least, most)


def search(blocks: Iterable[LoadBlock], mode: str, asked: CapacityAsked, within: Bounds, seed: int) -> Search:
    """Where the search of `mode` stands after `blocks`; the same blocks lead to the same next trial."""
    tried: dict[int, list[Tried]] = {}
    for one in blocks:
        if one.mode == mode and one.load == CAPACITY:
            tried.setdefault(one.block, []).append(Tried(one.rate, kept(one, asked.slo)))
    edges: list[Edge] = []
    for block in range(asked.blocks + 1):
        on, stride = _grid(edges, mode, asked, within, seed, block), FIRST_STRIDE if block == PILOT else LATER_STRIDE
        rate = next_rate(tried.get(block, []), on, stride=stride)
        if rate is not None:
            return Search(tuple(edges[1:]), (block, rate))
        found = edge(tried[block], on, stride=stride)
        assert found is not None
        edges.append(found)
    return Search(tuple(edges[1:]), None)


def _grid(  # noqa: PLR0917  called once, right above
    edges: Sequence[Edge], mode: str, asked: CapacityAsked, within: Bounds, seed: int, block: int
) -> Grid:
    """Around the edges found so far, the pilot's only as long as it is alone; its place is drawn for each block."""
    centre = math.exp(fmean(math.log(one.rate) for one in edges[1:] or edges)) if edges else within.start
    return grid(centre, asked.resolution, within.least, within.most, f"{seed}|{mode}|{block}")


@dataclass(frozen=True, slots=True)
class Capacity:
    """The rate at which a block just keeps the service level: geometric mean over blocks with its interval, requests a
    second. `above`: blocks that kept it at the highest rate that was tried; `below`: blocks that kept it at none.
    `requests`: counted in a block at that rate.
    """

    rate: float
    low: float
    high: float
    blocks: int
    above: int
    below: int
    lowest: float
    requests: float
    seconds: float


def capacity(edges: Sequence[Edge], asked: CapacityAsked, confidence: float) -> Capacity | None:
    """From the edges of one mode's blocks; None with fewer than two."""
    found = mean_log([math.log(one.rate) for one in edges], confidence, lean=_LEAN)
    if found is None:
        return None
    above, below = (sum(one.kind == kind for one in edges) for kind in ("above", "below"))
    return Capacity(
        found.value, 0.0 if below else found.low, math.inf if above else found.high, len(edges), above, below,
        min(one.rate for one in edges), found.value * asked.seconds * (1 - RAMP), asked.seconds,
    )  # fmt: skip


def edges_of(checklist: Checklist, facts: Facts, mode: str) -> tuple[Edge, ...]:
    """The edges of a mode's blocks, in the order of the blocks."""
    asked, limit = checklist.items.modes.capacity, facts.client_limit
    if asked is None or limit is None or mode not in limit.events:
        return ()
    within = bounds(asked, limit.rate(mode, asked.slo.e2e_ms), limit.e2e_ms.get(mode))
    return search(facts.loads, mode, asked, within, facts.start.seed).edges
