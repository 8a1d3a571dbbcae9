"""Servers in simulated time: a block of open load as a record, from a queue with scripted service times."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass
from statistics import fmean, stdev

from evalkit.analysis.capacity import Bounds, Search, search
from evalkit.analysis.load import CAPACITY, kept
from evalkit.checklist.load import CapacityAsked
from evalkit.timing.arrivals import RAMP, starts
from evalkit.timing.facts import LoadBlock

#: where a search of these servers may go
WITHIN = Bounds(2.0, 0.2, 400.0)


@dataclass(frozen=True)
class Server:
    """`slots` requests at once, first come first served. `mean_ms` and `cv` of the service time, log-normal or, with
    `exponential`, exponential; `own` is the share of its spread that is drawn anew each time, not by the request.
    `shed_at`: requests waiting from which on others are turned away.
    """

    slots: int = 8
    mean_ms: float = 1000.0
    cv: float = 0.5
    own: float = 0.2
    exponential: bool = False
    shed_at: int | None = None

    def block(self, mode, number, rate, seconds, *, arrivals="poisson", seed="0", load=CAPACITY, ramp=RAMP, turn=0):
        """What evalkit would write down. The same seed and number: the same arrivals and requests in every mode."""
        name = f"{seed}|{load}|{number}"
        sizes, noise = random.Random(f"{name}|sizes"), random.Random(f"{name}|{mode}|{rate}|{turn}")
        free, waiting = [0.0] * self.slots, []
        intended, ttft, e2e, ends = [], [], [], []
        for at, took in zip(starts(rate, seconds, arrivals, name), self._times(sizes, noise), strict=False):
            intended.append(1000 * at)
            if self.shed_at is not None:
                waiting = [begin for begin in waiting if begin > at]
                if len(waiting) >= self.shed_at:
                    ttft.append(None)
                    e2e.append(1.0)
                    ends.append("s")
                    continue
            begin = max(at, free[0])
            heapq.heapreplace(free, begin + took)
            waiting.append(begin)
            ttft.append(1000 * (begin - at) + 20)
            e2e.append(1000 * (begin + took - at))
            ends.append("a")
        n = len(ends)
        return LoadBlock.model_construct(
            load=load, mode=mode, block=number, rate=rate, seconds=seconds, counted_from_ms=1000 * ramp * seconds, planned=n,
            intended_ms=tuple(intended), late_ms=(0.0,) * n, ttft_ms=tuple(ttft), e2e_ms=tuple(e2e), tokens=(32,) * n,
            ends="".join(ends), prompts=tuple(range(n)), looked_at=min(n, 100), after_ms=30.0,
        )  # fmt: skip

    def _times(self, sizes, noise):
        """Service times in seconds, one a request."""
        if self.exponential:
            while True:
                yield sizes.expovariate(1000 / self.mean_ms)
        spread = math.sqrt(math.log(1 + self.cv**2))
        middle = self.mean_ms / 1000 * math.exp(-(spread**2) / 2)
        of_request, anew = spread * math.sqrt(1 - self.own), spread * math.sqrt(self.own)
        size, own, exp = sizes.gauss, noise.gauss, math.exp
        while True:
            yield middle * exp(of_request * size(0.0, 1.0) + anew * own(0.0, 1.0))


def searched(
    server, mode, asked: CapacityAsked, *, seed="0", within: Bounds, number=1
) -> tuple[Search, list[LoadBlock]]:
    """A whole search by the product's own code, and the blocks that it sent."""
    blocks: list[LoadBlock] = []
    outcomes: list[LoadBlock] = []
    while True:
        found = search(outcomes, mode, asked, within, number)
        if found.next is None:
            return found, blocks
        block, rate = found.next
        blocks.append(server.block(mode, block, rate, asked.seconds, arrivals=asked.arrivals, seed=seed))
        outcomes.append(_outcome(blocks[-1], asked))


def _outcome(block: LoadBlock, asked: CapacityAsked) -> LoadBlock:
    """A block of one request that is kept where `block` is: the search reads all of them again for each next one."""
    return LoadBlock.model_construct(
        load=block.load, mode=block.mode, block=block.block, rate=block.rate, seconds=block.seconds, planned=1,
        intended_ms=(0.0,), ttft_ms=(0.0,), e2e_ms=(0.0,), tokens=(1,), ends="a", stopped=not kept(block, asked.slo),
    )  # fmt: skip


def true_edge(server, asked: CapacityAsked, *, low: float, high: float, blocks=4000) -> tuple[float, float]:
    """The mean log edge of other blocks, and its standard error, without the search: each block is walked rate by rate,
    all of one size and from one place, the rate at which half of the blocks keep the level, which lies between `low` and
    `high`. Like the search it takes the edge that is next to there: a block of few requests can miss at low rates too.
    """

    def keeps(number, rate):
        return kept(
            server.block("truth", number, rate, asked.seconds, arrivals=asked.arrivals, seed="truth"), asked.slo
        )

    while high / low > 1.03:
        middle, count = math.sqrt(low * high), max(40, blocks // 20)
        low, high = (middle, high) if 2 * sum(keeps(n, middle) for n in range(count)) >= count else (low, middle)
    edges, step = [], math.log(asked.resolution)
    for number in range(blocks):
        at = 0.5 * math.log(low * high) + step * random.Random(f"truth|{number}").uniform(-0.5, 0.5)
        up = 1 if keeps(number, math.exp(at)) else -1
        while keeps(number, math.exp(at + up * step)) is (up > 0):
            at += up * step
        edges.append(at + up * step / 2)
    return fmean(edges), stdev(edges) / math.sqrt(blocks)
