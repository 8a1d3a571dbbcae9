"""What blocks of open load show: who kept the service level, how servers gave way, and the ratio of two modes. Pure.

The unit is the block. Latency counts from the intended start of a request, whenever it was really sent: what a closed
loop leaves out (coordinated omission) is in it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from evalkit.checklist.load import Slo
from evalkit.timing.facts import LoadBlock

#: the name of capacity blocks among the loads of a run
CAPACITY = "capacity"
#: share of requests turned away from which a server sheds load; of lost connections from which it is going down
_SHED, _LOST = 0.01, 0.05
#: growth of the latency from the first to the last third of a block from which a queue grows without bound
_GROWS = 1.5
#: requests of a block from which its thirds mean something
_FEWEST = 12

Behaviour = Literal["keeps up", "slows", "sheds", "queues", "dies"]


def good(block: LoadBlock, i: int, slo: Slo) -> bool:
    """Whether one request was answered within every limit."""
    if block.ends[i] != "a":
        return False
    ttft, e2e, tokens = block.ttft_ms[i], block.e2e_ms[i], block.tokens[i]
    if slo.ttft_ms is not None and (ttft is None or ttft > slo.ttft_ms):
        return False
    if slo.e2e_ms is not None and e2e > slo.e2e_ms:
        return False
    return slo.tpot_ms is None or (bool(tokens) and e2e / (tokens or 1) <= slo.tpot_ms)


def kept(block: LoadBlock, slo: Slo) -> bool:
    """Whether the asked share of the block's requests was within every limit."""
    places = block.counted
    met = sum(good(block, i, slo) for i in places)
    return not block.stopped and not block.full and bool(places) and met >= slo.share * len(places) - 1e-9


def behaviour(block: LoadBlock, slo: Slo | None = None) -> Behaviour:
    """What the server did with the block's requests."""
    ends, n = Counter(block.ends), max(1, len(block.ends))
    lost = ends["r"] + ends["x"]
    if lost >= _LOST * n and block.after_ms is None:
        return "dies"
    if ends["s"] >= _SHED * n:
        return "sheds"
    if _grows(block):
        return "queues"
    if block.after_ms is None:
        return "dies"
    return "slows" if slo is not None and not kept(block, slo) else "keeps up"


def _grows(block: LoadBlock) -> bool:
    """Whether later requests wait longer and longer: the medians of the thirds rise, or many are unfinished."""
    n = len(block.e2e_ms)
    if n < _FEWEST:
        return False
    thirds = [median(block.e2e_ms[i * n // 3 : (i + 1) * n // 3]) for i in range(3)]
    unfinished = Counter(block.ends[n // 3 :])["u"] > (n - n // 3) / 3
    return (thirds[2] > _GROWS * thirds[0] and thirds[1] > thirds[0]) or unfinished


@dataclass(frozen=True, slots=True)
class LoadPairs:
    """Blocks that both modes got, as mean log ratios (baseline over mode), and requests that had no answer in one.

    `unfinished`: a request of the mode, or of the baseline, had not ended when its block was cut off.
    """

    logs: tuple[float, ...]
    requests: int
    mode_unfinished: int
    baseline_unfinished: int
    lengths: tuple[float, ...]


def pairs(blocks: Iterable[LoadBlock], load: str, baseline: str, mode: str) -> LoadPairs:
    """Request by request within a block: both modes got the same ones at the same intended times."""
    by: dict[str, dict[int, LoadBlock]] = {baseline: {}, mode: {}}
    for one in blocks:
        if one.load == load and one.mode in by:
            by[one.mode][one.block] = one
    logs, lengths, requests = [], [], 0
    cut = Counter[str]()
    for number in sorted(set(by[baseline]) & set(by[mode])):
        theirs, mine = by[baseline][number], by[mode][number]
        each, sizes = _within(theirs, mine)
        cut["mode"] += mine.ends.count("u")
        cut["baseline"] += theirs.ends.count("u")
        requests += len(each)
        if each:
            logs.append(fmean(each))
            lengths += sizes
    return LoadPairs(tuple(logs), requests, cut["mode"], cut["baseline"], tuple(lengths))


def _within(theirs: LoadBlock, mine: LoadBlock) -> tuple[list[float], list[float]]:
    """Log ratios of times and of output tokens, of the requests that have a time in both; unfinished ones have what
    they had lasted.
    """
    times, sizes = [], []
    for i in range(min(len(theirs.ends), len(mine.ends))):
        if theirs.ends[i] in "au" and mine.ends[i] in "au" and theirs.e2e_ms[i] > 0 and mine.e2e_ms[i] > 0:
            times.append(math.log(theirs.e2e_ms[i] / mine.e2e_ms[i]))
            a, b = mine.tokens[i], theirs.tokens[i]
            if a and b:
                sizes.append(math.log(a / b))
    return times, sizes


# -- figures ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """Blocks of one mode under one load, in figures; ms from the intended start."""

    rate: float
    blocks: int
    requests: int
    ends: Mapping[str, int]
    ttft_ms: Mapping[str, float | None]
    e2e_ms: Mapping[str, float | None]
    #: evalkit's own part of it, in order
    late_ms: Sequence[float]
    tokens_per_second: float | None
    #: share of prompt tokens that came from the prefix cache
    cached: float | None

    @property
    def failed(self) -> int:
        """Requests without an answer, those that were cut off included."""
        return self.requests - self.ends.get("a", 0)


def shown(blocks: Sequence[LoadBlock]) -> Shown | None:
    """Of blocks at one rate; None without a request. A request that was not answered is slower than every other."""
    rows = [(b, i) for b in blocks for i in b.counted]
    if not rows:
        return None
    ends = Counter(b.ends[i] for b, i in rows)
    late = sorted(b.late_ms[i] for b, i in rows)
    done = [b.e2e_ms[i] if b.ends[i] == "a" else math.inf for b, i in rows]
    first = [t if b.ends[i] == "a" and (t := b.ttft_ms[i]) is not None else math.inf for b, i in rows]
    tokens = sum(b.tokens[i] or 0 for b, i in rows if b.ends[i] == "a")
    seconds = sum(b.seconds - b.counted_from_ms / 1000 for b in blocks)
    told = [(b.cached_tokens, b.prompt_tokens) for b in blocks if b.cached_tokens is not None and b.prompt_tokens]
    return Shown(
        rate=fmean(b.rate for b in blocks), blocks=len(blocks), requests=len(rows), ends=dict(ends),
        ttft_ms=_quantiles(first), e2e_ms=_quantiles(done), late_ms=late,
         tokens_per_second=tokens / seconds if tokens and seconds else None,
        cached=sum(c for c, _ in told) / sum(p for _, p in told) if told else None,
    )  # fmt: skip


def _quantiles(values: Sequence[float]) -> dict[str, float | None]:
    ordered, found = sorted(values), dict[str, float | None]()
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        # of an order statistic, so that a request without an answer stays beyond every limit
        value = ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.inf
        found[name] = None if math.isinf(value) else value
    return found


def by_rate(blocks: Iterable[LoadBlock], mode: str, load: str) -> dict[float, list[LoadBlock]]:
    """Whole blocks of one mode by rate; searched rates are put together within 5%."""
    found: dict[float, list[LoadBlock]] = {}
    for one in sorted(blocks, key=lambda b: b.rate):
        if one.mode == mode and one.load == load and not one.stopped:
            near = next((rate for rate in found if one.rate <= rate * 1.05), one.rate)
            found.setdefault(near, []).append(one)
    return found
