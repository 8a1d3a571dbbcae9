"""Checks of production's traffic: open load and capacity, repeated prompts, conversations, cost, today's model."""

from __future__ import annotations

from evalkit.findings import Check, Status

LOAD = Check(
    "modes.load",
    "Faster than the baseline under open load",
    "Production sends requests when users do, not when the last one is done. Latency counts from the intended start: "
    "what waits in a queue counts. The same arrivals go to both modes, block by block, and the block is the unit.",
    "raise `blocks` of the load's entry, or lower `items.modes.speedup.at_least`",
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
    sources=("docs/load.md",),
    outcomes={
        "slows": Status.PASS,
        "sheds": Status.PASS,
        "queues": Status.WARN,
        "dies": Status.WARN,
    },
)

LOAD_CHECKS: tuple[Check, ...] = (LOAD, LOAD_LATENCY, CAPACITY, LOAD_CLIENT, LOAD_REPLIES, OVERLOAD)


COST = Check(
    "modes.cost",
    "What requests and correct answers cost",
    "A faster mode that answers wrongly is dearer per correct answer.",
    "give `cost: {usd_per_gpu_hour: …}`, or what a hosted model bills (`usd_per_million_input` and `…_output`, "
    "`usd_per_request`); tokens are billed by the counts that the server reports with each reply",
    sources=("docs/money.md",),
    outcomes={
        "per-request": Status.PASS,
        "per-correct-answer": Status.PASS,
        "none-correct": Status.PASS,
        "not-known": Status.INCONCLUSIVE,
    },
)
INCUMBENT_COST = Check(
    "modes.incumbent-cost",
    "What it costs compared with the model that you use today",
    "Speed that is paid for with dearer hardware, or with wrong answers, may save nothing.",
    "give the prices of both sides (`cost`, `modes.NAME.cost`, `incumbent.cost`); where it is undecided, time more "
    "prompts and score more cases",
    sources=("docs/money.md",),
    outcomes={
        "cheaper": Status.PASS,
        "dearer": Status.WARN,
        "undecided": Status.INCONCLUSIVE,
        "not-known": Status.INCONCLUSIVE,
    },
)

MONEY_CHECKS: tuple[Check, ...] = (COST, INCUMBENT_COST)


_OUTCOMES = {
    "better": Status.PASS,
    "worse": Status.WARN,
    "open": Status.INCONCLUSIVE,
    "guarded": Status.INCONCLUSIVE,
    "not-timed": Status.INCONCLUSIVE,
}
INCUMBENT_SPEED = Check(
    "modes.incumbent",
    "Faster than the model that you use today",
    "A mode that is faster than its own autoregressive decoding can still be slower than what you have.",
    "time more prompts, and mend what keeps the two from being compared; `baseline: {speed: incumbent}` makes it the "
    "claim that decides",
    sources=("docs/replacing-todays-model.md",),
    outcomes=_OUTCOMES,
)
INCUMBENT_CAPACITY = Check(
    "modes.incumbent-capacity",
    "More requests a second than the model that you use today",
    "What a server takes within the service level decides how many of them you need.",
    "let the search run longer (`items.modes.capacity.blocks`), and mend what keeps the two from being compared",
    sources=("docs/replacing-todays-model.md", "docs/load.md"),
    outcomes=_OUTCOMES,
)

VERSUS_CHECKS: tuple[Check, ...] = (INCUMBENT_SPEED, INCUMBENT_CAPACITY)


REPEATED = Check(
    "modes.repeated",
    "Speed on prompts that were answered before",
    "A warm server spares the prompt pass, and a drafter may copy from its earlier answers: the same modes can come "
    "out in another order. Fresh prompts decide; this says what happens where production asks again.",
    "give `load: [{trace: FILE}]` or prompts from your logs: their share of repeats says which of the two counts",
    sources=("docs/timing.md",),
    outcomes={
        "fresh": Status.PASS,
        "prefix": Status.PASS,
        "repeated": Status.PASS,
        "not-known": Status.PASS,
    },
)

CONVERSATIONS = Check(
    "modes.conversations",
    "Speed by turn of a conversation",
    "The first turn finds a cold server, later ones find their own beginning in the prefix cache. The conversation is "
    "the unit of the interval: its turns are not independent.",
    "give more conversations, or `messages` without `items.modes.turns` to time the last request of each alone",
    sources=("docs/timing.md",),
    outcomes={
        "scripted": Status.PASS,
        "live": Status.PASS,
    },
)

TRAFFIC_CHECKS: tuple[Check, ...] = (REPEATED, CONVERSATIONS)
