"""How often a gate on quality lets a true loss through: evalkit's bounds beside a paired t interval, on the same draws.

    python benchmarks/gates.py [--runs 4000]

The t gate is the rule that NVIDIA's NeMo Evaluator documents for comparing two runs: pass where the lower bound of the
paired t interval of the difference lies above minus the margin. Pairs that are all equal have no variance, and pass.
"""

from __future__ import annotations

import argparse
import math
import random
from statistics import fmean, stdev

from evalkit.analysis.pairs import reading, sample
from evalkit.stats.distributions import t_quantile
from evalkit.stats.proportions import wilson

_ALPHA = 0.05
#: name, cases, margin, true loss, share that gains, cases a cluster, modes of which any may pass
WORLDS = (
    ("as good, 1% lost and 1% gained", 100, 0.05, 0.01, 0.01, 1, 1),
    ("as good, 1% lost and 1% gained", 140, 0.05, 0.01, 0.01, 1, 1),
    ("as good, 1% lost and 1% gained", 300, 0.03, 0.01, 0.01, 1, 1),
    ("loss of 5 points, margin 2", 20, 0.02, 0.05, 0.0, 1, 1),
    ("loss of 5 points, margin 2", 50, 0.02, 0.05, 0.0, 1, 1),
    ("loss of 5 points, margin 2", 200, 0.02, 0.05, 0.0, 1, 1),
    ("loss of 10 points, margin 5", 10, 0.05, 0.10, 0.0, 1, 1),
    ("loss of the margin, nothing gained", 61, 0.05, 0.05, 0.0, 1, 1),
    ("loss of the margin, nothing gained", 151, 0.02, 0.02, 0.0, 1, 1),
    ("loss of the margin, some gained", 200, 0.05, 0.08, 0.03, 1, 1),
    ("loss of the margin, clusters of 10", 400, 0.05, 0.05, 0.0, 10, 1),
    ("loss of the margin, 3 modes", 250, 0.03, 0.03, 0.0, 1, 3),
    ("loss of the margin, 6 modes", 250, 0.03, 0.03, 0.0, 1, 6),
)


def draw(rng: random.Random, cases: int, loss: float, gain: float, size: int) -> list[tuple[str, float, float]]:
    """(cluster, mode, baseline) of each case; the cases of a cluster are lost or gained together."""
    found = []
    for number in range(math.ceil(cases / size)):
        fate = rng.random()
        pair = (0.0, 1.0) if fate < loss else (1.0, 0.0) if fate < loss + gain else (1.0, 1.0)
        found += [(f"c{number}", *pair)] * min(size, cases - len(found))
    return found


def ours(drawn: list[tuple[str, float, float]], margin: float, modes: int) -> bool:
    """evalkit's decision: the three bounds over declared clusters, at an error divided by the modes."""
    read = [reading(f"q{i}", cluster, mode, base) for i, (cluster, mode, base) in enumerate(drawn)]
    return sample(read, _ALPHA / modes).shows(margin)


def paired_t(drawn: list[tuple[str, float, float]], margin: float) -> bool:
    """The t gate at the same one-sided error."""
    differences = [mode - base for _, mode, base in drawn]
    error = stdev(differences) / math.sqrt(len(differences))
    return fmean(differences) - t_quantile(1 - _ALPHA, len(differences) - 1) * error > -margin


def shown(count: int, of: int) -> str:
    held = wilson(count, of)
    return f"{count / of:.1%} [{held.low:.1%}, {held.high:.1%}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4000)
    runs = parser.parse_args().runs
    print("| world | cases | margin | evalkit passes | paired t passes |\n| --- | ---: | ---: | ---: | ---: |")
    for name, cases, margin, loss, gain, size, modes in WORLDS:
        rng, mine, theirs = random.Random(f"{name} {cases}"), 0, 0
        for _ in range(runs):
            drawn = [draw(rng, cases, loss, gain, size) for _ in range(modes)]
            mine += any(ours(one, margin, modes) for one in drawn)
            theirs += any(paired_t(one, margin) for one in drawn)
        print(f"| {name} | {cases} | {margin:.0%} | {shown(mine, runs)} | {shown(theirs, runs)} |", flush=True)


if __name__ == "__main__":
    main()
