"""When the requests of a block of open load are meant to start. Pure: a name fixes every draw."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from evalkit.checklist.load import variation
from evalkit.checklist.schema import Checklist

#: share of a capacity block that is sent and not counted: the queue of a server that starts empty has still to form
RAMP = 0.2
#: trials that a search takes for one edge, and for the pilot's, as simulated searches need them
_TRIES, _PILOT = 3.3, 6.0
#: seconds after a block in which its last requests end
_DRAIN_S = 5.0


def starts(rate: float, seconds: float, arrivals: str, name: str) -> Iterator[float]:
    """Intended starts in seconds from the block's begin. The same name at another rate: the same pattern, stretched."""
    rng, cv = random.Random(name), variation(arrivals)
    at = (rng.random() if cv == 0 else _gap(rng, cv)) / rate  # even spacing begins at a drawn place
    while at < seconds:
        yield at
        at += _gap(rng, cv) / rate


def _gap(rng: random.Random, cv: float) -> float:
    """Of mean 1."""
    if cv in (0.0, 1.0):
        return rng.expovariate(1.0) if cv else 1.0
    shape = 1 / (cv * cv)
    return rng.gammavariate(shape, 1 / shape)


def drawn(count: int, name: str) -> Iterator[int]:
    """Numbers of prompts without end: all of them in drawn order, then all again in another."""
    rng, order = random.Random(f"{name}|prompts"), list(range(count))
    while order:
        rng.shuffle(order)
        yield from order


def turns(modes: Sequence[str], name: str) -> list[str]:
    """The order in which the modes get a block."""
    order = list(modes)
    random.Random(f"{name}|turns").shuffle(order)
    return order


def load_seconds(checklist: Checklist, spans: Sequence[float] = ()) -> float:
    """Seconds that the open loads of a checklist take in all modes, about. `spans`: of the traces, as recorded."""
    item, lengths = checklist.items.modes, iter(spans)
    modes = len(checklist.modes) + bool(checklist.incumbent)
    total = 0.0
    for point in item.load:
        span = point.blocks * point.seconds if point.rate is not None else next(lengths, 0.0) / point.speed
        total += span + point.blocks * _DRAIN_S
    if (asked := item.capacity) is not None:
        drain = (asked.slo.e2e_ms or 1000 * _DRAIN_S) / 1000
        total += (asked.blocks * _TRIES + _PILOT) * (asked.seconds + drain)
    return total * modes
