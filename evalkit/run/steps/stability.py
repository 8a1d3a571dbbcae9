"""Keeps each server of a session under load for some minutes, when everything else is measured."""

from __future__ import annotations

from evalkit.modes import INCUMBENT
from evalkit.run.recorder import Recorder, Session


async def soak_servers(run: Recorder, session: Session) -> None:
    """One soak a mode, one after the other; modes soaked in an earlier session are left out."""
    from evalkit.serving.flush import flush
    from evalkit.serving.stability import DISCONNECTS, IDLE_S, soak

    asked, facts = run.checklist.items.serving.stability, run.facts
    requests = [prompt.request for prompt in run.setup.prompts.prompts]
    if asked is None or not requests:
        return
    for label, target in session.targets.items():
        if label == INCUMBENT or label in facts.stability:
            continue
        level, left = run.checklist.items.modes.level, run.left_s
        if left is not None and left < asked.minutes * 60 + IDLE_S:
            run.stopped = f"budget: {left / 60:.1f} minutes are left, too few for the soak of {label}"
            return
        run.say(
            "serving",
            f"{label}: {asked.minutes:g} min of load at {level}, {DISCONNECTS} disconnects, {IDLE_S:g} s of silence",
        )

        async def emptied(label: str = label) -> bool:
            return (await flush(label, session.endpoints[label], facts.endpoints.get(label))).method == "flush"

        run.keep(await soak(session.client, target, requests, concurrency=level, minutes=asked.minutes, flush=emptied))
