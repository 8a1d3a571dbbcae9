"""How often the decision is right, and how many requests it takes, on simulated modes with a known ratio.

    python benchmarks/decisions.py [--trials 200]

Between prompts the log of a time has a spread of 0.8, within a prompt 0.18. "mixed": half of the prompts gain more.
"skewed": one in ten gains much. The comparison: two unpaired runs of fixed size with the same power.
"""

# ruff: noqa: E501  rows of tables are wide
from __future__ import annotations

import argparse
import math
import random

from evalkit.stats.ratio import estimate
from evalkit.stats.sequential import confidence_of, look_sizes, obrien_fleming

PROMPTS = 160


def gain(kind, mean, rng):
    if kind == "mixed":
        return mean + (0.15 if rng.random() < 0.5 else -0.15)
    if kind == "skewed":
        return mean + (0.45 if rng.random() < 0.1 else -0.05)
    return mean


def trial(rng, ratio, kind, at_least):
    """The decision at O'Brien–Fleming looks, and the prompts used."""
    looks = look_sizes(PROMPTS)
    bounds = obrien_fleming(tuple(n / PROMPTS for n in looks), 0.05)
    logs = {}
    for size, bound in zip(looks, bounds, strict=True):
        for i in range(len(logs), size):
            logs[str(i)] = gain(kind, math.log(ratio), rng) + rng.gauss(0, 0.18 * math.sqrt(2 / 2))
        found = estimate(logs, confidence=confidence_of(bound))
        if found.low >= at_least:
            return "go", size
        if found.high < at_least:
            return "no-go", size
    return "open", PROMPTS


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=200)
    trials = parser.parse_args().trials
    print("| prompts | true ratio | asked | GO | NO-GO | open | mean prompts |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for kind in ("normal", "mixed", "skewed"):
        for ratio, at_least in ((1.0, 1.0), (1.05, 1.0), (1.3, 1.0), (1.0, 1.1), (1.3, 1.1)):
            rng = random.Random(1)
            results = [trial(rng, ratio, kind, at_least) for _ in range(trials)]
            share = {name: sum(r == name for r, _ in results) / trials for name in ("go", "no-go", "open")}
            used = sum(n for _, n in results) / trials
            print(
                f"| {kind} | {ratio:.2f} | {at_least:.2f} | {share['go']:.1%} | {share['no-go']:.1%} | {share['open']:.1%} | {used:.0f} |"
            )
    paired = 2 * 0.18**2 / 2
    unpaired = 2 * (0.8**2 + 0.18**2 / 2)
    print(
        f"\nrequests for equal power, unpaired against paired: {unpaired / paired:.0f}x (variance of a difference of logs, two repeats)"
    )


if __name__ == "__main__":
    main()
