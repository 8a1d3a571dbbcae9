"""Checks of open load and capacity."""

from __future__ import annotations

from evalkit.findings import Check, Status

LOAD = Check(
    "modes.load",
    "Faster than the baseline under open load",
    "Production sends requests when users do, not when the last one is done. Latency counts from the intended start: "
    "what waits in a queue counts. The same arrivals go to both modes, block by block, and the block is the unit.",
    "raise `blocks` of the load's entry, or lower `items.modes.speedup.at_least`",
    per_mode=True,
    sources=("docs/load.md",),
    outcomes={
        "shown": Status.PASS,
        "below": Status.FAIL,
        "open": Status.INCONCLUSIVE,
        "not-after-holm": Status.INCONCLUSIVE,
        "too-few-blocks": Status.INCONCLUSIVE,
        "unfinished": Status.INCONCLUSIVE,
        "failed": Status.INCONCLUSIVE,
        "crowded": Status.INCONCLUSIVE,
        "not-measured": Status.ERROR,
    },
)
LOAD_LATENCY = Check(
    "modes.load-latency",
    "Latency targets under open load",
    "A target on a percentile holds when it holds in more blocks than not, beyond chance (exact sign test on blocks): "
    "requests of one block share a queue, and are not independent.",
    "lower the rate, relax the target under `items.modes.latency`, or raise `blocks` where it is open",
    per_mode=True,
    sources=("docs/load.md",),
    outcomes={
        "within": Status.PASS,
        "beyond": Status.FAIL,
        "open": Status.INCONCLUSIVE,
        "too-few-blocks": Status.INCONCLUSIVE,
    },
)
CAPACITY = Check(
    "modes.capacity",
    "Serves more requests within the service level than the baseline",
    "The highest rate that keeps the service level is what a card is worth in production. It is searched block by "
    "block, on the same arrivals for each mode.",
    "raise `blocks` under items.modes.capacity, or lower its `at_least`",
    per_mode=True,
    sources=("docs/load.md",),
    outcomes={
        "shown": Status.PASS,
        "below": Status.FAIL,
        "measured": Status.PASS,
        "never": Status.WARN,
        "open": Status.INCONCLUSIVE,
        "not-after-holm": Status.INCONCLUSIVE,
        "too-few-blocks": Status.INCONCLUSIVE,
        "coarse": Status.INCONCLUSIVE,
        "died": Status.INCONCLUSIVE,
        "crowded": Status.INCONCLUSIVE,
        "not-measured": Status.ERROR,
    },
)
LOAD_CLIENT = Check(
    "modes.load-client",
    "evalkit sends in time what open load asks for",
    "A client that falls behind sends fewer requests than planned, and its own delay passes for the server's. What "
    "evalkit can send and time is measured before: a rate beyond it is not sent.",
    "lower the rate, close other programs on this machine, or run evalkit on one with more free cores",
    per_mode=True,
    sources=("docs/load.md",),
    outcomes={
        "small": Status.PASS,
        "too-late": Status.INCONCLUSIVE,
        "refused": Status.INCONCLUSIVE,
    },
)
LOAD_REPLIES = Check(
    "modes.load-replies",
    "Replies under open load are as sound and as long as the baseline's",
    "A mode that says less, or loops, once its server is busy keeps a service level without doing the work.",
    "read what the server answers under load, correct the decoding, and run the load again",
    per_mode=True,
    sources=("docs/load.md",),
    outcomes={
        "alike": Status.PASS,
        "broken": Status.INCONCLUSIVE,
        "shorter": Status.INCONCLUSIVE,
    },
)
OVERLOAD = Check(
    "modes.overload",
    "What the server does beyond its capacity",
    "Some servers turn requests away (429, 503), some let all of them wait, some go down: production needs to be ready "
    "for the one that it gets.",
    "set a limit of waiting requests on the server or its gateway, so that overload is turned away early",
    per_mode=True,
    sources=("docs/load.md",),
    outcomes={
        "slows": Status.PASS,
        "sheds": Status.PASS,
        "queues": Status.WARN,
        "dies": Status.WARN,
    },
)

LOAD_CHECKS: tuple[Check, ...] = (LOAD, LOAD_LATENCY, CAPACITY, LOAD_CLIENT, LOAD_REPLIES, OVERLOAD)
