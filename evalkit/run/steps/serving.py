"""Asks the servers of a sitting what they are."""

from __future__ import annotations

from evalkit.errors import UsageError
from evalkit.run.recorder import Recorder, Sitting
from evalkit.serving.probe import probe, target_for


async def probe_servers(run: Recorder, sitting: Sitting) -> None:
    """What each server is; those that answer become the sitting's targets."""
    for label, endpoint in sitting.endpoints.items():
        run.say("serving", f"probing {label}")
        try:
            facts = await probe(
                label, endpoint, client=sitting.client,
                limits=run.checklist.limits.control(), generation=run.checklist.limits.generation(),
            )  # fmt: skip
        except UsageError as error:
            run.error("serving", label, error)
            continue
        if sitting.running is not None:
            facts = facts.model_copy(update={"launched": True, "ready_s": sitting.running.facts.ready_s})
        run.keep(facts)
        if facts.reachable:
            sitting.targets[label] = target_for(label, endpoint, facts, run.checklist.limits.generation())
