"""Capacity searches in simulated time where the capacity is known: coverage of the interval, of one mode and of ratios.

    python benchmarks/load_search.py [--searches 1000] [--only WORLD]

The queue is simulated, everything else is the product's: arrivals, search, service level, edges, intervals. The truth
takes no search: 600 other blocks are played at 15 rates each, and the area under the share of them that keep the
service level is their mean edge. Beside it stands the closed form of an endless queue, where there is one.
"""

from __future__ import annotations

import argparse
import math
from statistics import fmean

from evalkit.analysis.capacity import Bounds, capacity
from evalkit.analysis.load_claims import capacity_ratio
from evalkit.checklist.load import CapacityAsked
from evalkit.stats.ratio import Allowance
from tests.support.queues import Server, searched, true_edge

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
WITHIN = Bounds(2.0, 0.2, 400.0)


def closed_form(server, slo):
    """Rate at which 95% of an endless M/M/1 queue stay within a limit on the end-to-end latency."""
    if not server.exponential or server.slots != 1:
        return None
    return 1000 / server.mean_ms - math.log(20) / (slo["e2e_ms"] / 1000)


def world(name, searches):
    one, other, limits, arrivals, seconds = WORLDS[name]
    asked = CapacityAsked.model_validate(
        {"slo": {**limits, "share": 0.95}, "arrivals": arrivals, "seconds": seconds, "blocks": 8}
    )
    guess = one.slots * 1000 / one.mean_ms
    truth = [true_edge(server, asked, low=guess / 3, high=3 * guess) for server in (one, other)]
    held = both = tries = 0
    widths, ratios = [], []
    for i in range(searches):
        found = [searched(s, m, asked, seed=f"{i}", within=WITHIN, number=i) for s, m in ((one, "a"), (other, "b"))]
        tries += sum(len(blocks) for _, blocks in found)
        mine = capacity(found[0][0].edges, asked, 0.95)
        held += math.log(mine.low) <= truth[0] <= math.log(mine.high)
        widths.append(math.log(mine.high / mine.low) / 2)
        ratio = capacity_ratio(found[1][0].edges, found[0][0].edges, 0.95, Allowance(), 10**9)
        both += math.log(ratio.low) <= truth[1] - truth[0] <= math.log(ratio.high)
        ratios.append(math.log(ratio.high / ratio.low) / 2)
    exact = closed_form(one, limits)
    cells = (
        name, f"{math.exp(truth[0]):.2f}", "" if exact is None else f"{exact:.2f}", f"{100 * held / searches:.1f}",
        f"±{100 * fmean(widths):.0f}%", f"{math.exp(truth[1] - truth[0]):.2f}×", f"{100 * both / searches:.1f}",
        f"±{100 * fmean(ratios):.0f}%", f"{tries / searches / 2:.1f}",
    )  # fmt: skip
    print(f"| {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--searches", type=int, default=1000)
    parser.add_argument("--only")
    args = parser.parse_args()
    print("| world | capacity /s | endless queue /s | covered % | width | ratio | covered % | width | blocks a mode |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in [args.only] if args.only else WORLDS:
        world(name, args.searches)


if __name__ == "__main__":
    main()
