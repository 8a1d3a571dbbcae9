"""Checks of the modes item about money: metadata and decision tables. For information: none of them decides."""

from __future__ import annotations

from evalkit.findings import Check, Status

COST = Check(
    "modes.cost",
    "What requests and correct answers cost",
    "A faster mode that answers wrongly is dearer per correct answer.",
    "give `cost: {usd_per_gpu_hour: …}`, or what a hosted model bills (`usd_per_million_input` and `…_output`, "
    "`usd_per_request`); tokens are billed by the counts that the server reports with each reply",
    per_mode=True,
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
    per_mode=True,
    sources=("docs/money.md",),
    outcomes={
        "cheaper": Status.PASS,
        "dearer": Status.WARN,
        "undecided": Status.INCONCLUSIVE,
        "not-known": Status.INCONCLUSIVE,
    },
)

MONEY_CHECKS: tuple[Check, ...] = (COST, INCUMBENT_COST)
