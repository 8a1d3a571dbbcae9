"""Servers in simulated time: a block of open load as a record, from a queue with scripted service times."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass

from evalkit.analysis.capacity import Bounds, Search, search
from evalkit.analysis.load import CAPACITY, kept
from evalkit.checklist.load import CapacityAsked
from evalkit.timing.arrivals import RAMP, starts
from evalkit.timing.facts import LoadBlock


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
        free, columns, waiting = [0.0] * self.slots, ([], [], [], []), []
        for at in starts(rate, seconds, arrivals, name):
            took = self._took(sizes, noise)
            waiting = [begin for begin in waiting if begin > at]
            if self.shed_at is not None and len(waiting) >= self.shed_at:
                row = (1000 * at, None, 1.0, "s")
            else:
                begin = max(at, heapq.heappop(free))
                heapq.heappush(free, begin + took)
                waiting.append(begin)
                row = (1000 * at, 1000 * (begin - at) + 20, 1000 * (begin + took - at), "a")
            for column, value in zip(columns, row, strict=True):
                column.append(value)
        intended, ttft, e2e, ends = columns
        n = len(ends)
        return LoadBlock(
            load=load, mode=mode, block=number, rate=rate, seconds=seconds, counted_from_ms=1000 * ramp * seconds, planned=n,
            intended_ms=tuple(intended), late_ms=(0.0,) * n, ttft_ms=tuple(ttft), e2e_ms=tuple(e2e), tokens=(32,) * n,
            ends="".join(ends), prompts=tuple(range(n)), looked_at=min(n, 100), after_ms=30.0,
        )  # fmt: skip

    def _took(self, sizes, noise):
        if self.exponential:
            return sizes.expovariate(1000 / self.mean_ms)
        spread = math.sqrt(math.log(1 + self.cv**2))
        z = math.sqrt(1 - self.own) * sizes.gauss(0, 1) + math.sqrt(self.own) * noise.gauss(0, 1)
        return self.mean_ms / 1000 * math.exp(spread * z - spread**2 / 2)


def searched(
    server, mode, asked: CapacityAsked, *, seed="0", within: Bounds, number=1
) -> tuple[Search, list[LoadBlock]]:
    """A whole search by the product's own code, and the blocks that it sent."""
    blocks: list[LoadBlock] = []
    while True:
        found = search(blocks, mode, asked, within, number)
        if found.next is None:
            return found, blocks
        block, rate = found.next
        blocks.append(server.block(mode, block, rate, asked.seconds, arrivals=asked.arrivals, seed=seed))


def true_edge(server, asked: CapacityAsked, *, low: float, high: float, blocks=600, rates=15) -> float:
    """The mean log edge of blocks without a search: the area under the share of blocks that keep the level, over a
    factor of 1.6 around the rate at which half of them do. Each block is played at every rate.
    """

    def share(rate, count):
        sent = (
            server.block("truth", number, rate, asked.seconds, arrivals=asked.arrivals, seed="truth", turn=rate)
            for number in range(count)
        )
        return sum(kept(one, asked.slo) for one in sent) / count

    while high / low > 1.05:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if share(middle, max(40, blocks // 8)) >= 0.5 else (low, middle)
    step, begin = 2 * math.log(_REACH) / (rates - 1), 0.5 * math.log(low * high) - math.log(_REACH)
    shares = [share(math.exp(begin + n * step), blocks) for n in range(rates)]
    return begin + step * sum(shares[1:-1]) + 0.5 * step * (shares[0] + shares[-1])


#: how far the edges of single blocks lie from their middle, as a factor
_REACH = 1.6
