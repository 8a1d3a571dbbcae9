"""Checks of what production's traffic is like: prompts that come again. Information beside the claim."""

from __future__ import annotations

from evalkit.findings import Check, Status

REPEATED = Check(
    "modes.repeated",
    "Speed on prompts that were answered before",
    "A warm server spares the prompt pass, and a drafter may copy from its earlier answers: the same modes can come "
    "out in another order. Fresh prompts decide; this says what happens where production asks again.",
    "give `load: [{trace: FILE}]` or prompts from your logs: their share of repeats says which of the two counts",
    per_mode=True,
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
    per_mode=True,
    sources=("docs/timing.md",),
    outcomes={
        "scripted": Status.PASS,
        "live": Status.PASS,
    },
)

TRAFFIC_CHECKS: tuple[Check, ...] = (REPEATED, CONVERSATIONS)
