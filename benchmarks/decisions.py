"""How often the decision is right, and how many requests it takes, on simulated modes with a known ratio.

    python benchmarks/decisions.py [--trials 300]

The log of a time has a spread of 0.8 between prompts and 0.18 within one. "mixed": half of the prompts gain 15% more,
half 15% less. "skewed": one in ten gains 57% more than the mean, the others 5% less. Decided by the code of a run:
160 prompts twice in two modes, four preset looks. Beside it the usual practice: one run of each mode, means compared,
with as many requests as give it the same chance of the right answer.
"""

from __future__ import annotations

import argparse
import math
import random

from evalkit.run.plan.looks import Question, look
from evalkit.stats.distributions import normal_cdf, normal_quantile
from evalkit.stats.ratio import estimate, log_ratios
from evalkit.stats.sequential import confidence_of, look_sizes

PROMPTS, REPEATS = 160, 2
BETWEEN, WITHIN = 0.8, 0.18
GAINS = {"normal": (0.0,), "mixed": (0.15, -0.15), "skewed": (0.45, *[-0.05] * 9)}


def sample(rng, kind, ratio, size):
    """Times in ms of `size` prompts in both modes, as a run has them."""
    times = {}
    for i in range(size):
        base = rng.gauss(6, BETWEEN)
        fast = base - math.log(ratio) - rng.choice(GAINS[kind])
        times[f"p{i}"] = {
            mode: [math.exp(centre + rng.gauss(0, WITHIN)) for _ in range(REPEATS)]
            for mode, centre in (("a", base), ("b", fast))
        }
    return times


def trial(rng, kind, ratio, at_least):
    """What is decided, and after how many prompts."""
    times = sample(rng, kind, ratio, PROMPTS)
    asked = Question("a", ("b",), at_least, sizes=look_sizes(PROMPTS), repeats=REPEATS)
    for size in asked.sizes:
        seen = dict(list(times.items())[:size])
        found = look(asked, seen, [n for n in asked.sizes if n < size])
        if found.stopped or size == PROMPTS:
            logs = log_ratios({p: t["a"] for p, t in seen.items()}, {p: t["b"] for p, t in seen.items()})
            got = estimate(logs, confidence=confidence_of(found.boundary))
            return ("go" if got.low >= at_least else "no-go" if got.high < at_least else "open"), size
    raise AssertionError


def unpaired_requests(chance, ratio, at_least):
    """Requests of two runs of equal size whose means differ beyond chance as often: normal approximation."""
    gap = abs(math.log(ratio / at_least))
    each = 2 * (BETWEEN**2 + WITHIN**2) * ((normal_quantile(0.975) + normal_quantile(chance)) / gap) ** 2
    return 2 * math.ceil(each)


def practice_power(requests, ratio, at_least):
    """How often the usual practice sees the difference with so many requests."""
    error = math.sqrt(2 * (BETWEEN**2 + WITHIN**2) / (requests / 2))
    return normal_cdf(abs(math.log(ratio / at_least)) / error - normal_quantile(0.975))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=300)
    trials = parser.parse_args().trials
    print(
        "| prompts | true | asked | GO | NO-GO | open | requests, mean (at 1 s each) | usual practice at as many | "
        "requests it needs | ratio |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    for kind in GAINS:
        for ratio, at_least in ((1.0, 1.0), (1.0, 1.1), (1.05, 1.0), (1.3, 1.0), (1.3, 1.1)):
            rng = random.Random(f"{kind} {ratio} {at_least}")
            results = [trial(rng, kind, ratio, at_least) for _ in range(trials)]
            share = {name: sum(r == name for r, _ in results) / trials for name in ("go", "no-go", "open")}
            used = sum(n for _, n in results) / trials * 2 * REPEATS
            cells = ["", "", ""]
            if ratio != at_least:
                seen = sum(r == ("go" if ratio > at_least else "no-go") for r, _ in results)
                right = (seen + 0.5) / (trials + 1)  # all of them right is no certainty
                need = unpaired_requests(right, ratio, at_least)
                cells = [
                    f"{practice_power(used, ratio, at_least):.0%} right",
                    f"{need:,} ({need / 60:.0f} min)",
                    f"{need / used:.0f}x",
                ]
            print(
                f"| {kind} | {ratio:.2f} | {at_least:.2f} | {share['go']:.1%} | {share['no-go']:.1%} | "
                f"{share['open']:.1%} | {used:.0f} ({used / 60:.1f} min) | {' | '.join(cells)} |",
                flush=True,
            )
    print(
        f"\nOf fixed size and equal power, without looks: {(BETWEEN**2 + WITHIN**2) / WITHIN**2:.0f}x fewer requests "
        "paired than unpaired, by the variances alone."
    )


if __name__ == "__main__":
    main()
