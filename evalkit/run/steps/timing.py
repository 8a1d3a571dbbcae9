"""Times the modes of a sitting."""

from __future__ import annotations

from evalkit.run.facts import Facts
from evalkit.run.recorder import Recorder, Sitting
from evalkit.serving import flush as flushing
from evalkit.timing.calibrate import calibrate
from evalkit.timing.execute import Event, Progress, Settings, Stopped, run_modes
from evalkit.timing.facts import CacheState


async def time_modes(run: Recorder, sitting: Sitting) -> None:
    """The timed requests of the plan that belong to these servers and are not in the journal yet."""
    item, facts = run.checklist.items.modes, run.facts
    if not facts.client_errors:
        run.say("modes", "measuring evalkit's own timing error")
        for fact in await calibrate(sitting.client, item.concurrency):
            run.keep(fact)
    flushable = await _flush(run, sitting, facts)

    async def flush(mode: str) -> bool:
        return (await flushing.flush(mode, sitting.endpoints[mode], facts.endpoints.get(mode))).method == "flush"

    def event(one: Event) -> None:
        if isinstance(one, Stopped):
            run.stopped = one.reason
        elif isinstance(one, Progress):
            run.advance("modes", one.done, one.planned)
        elif run.keeps(one):
            run.keep(one)

    run.say("modes", f"timing {', '.join(sitting.targets)}")
    await run_modes(
        sitting.targets, run.setup.prompts, run.setup.plan, sitting.client,
        done=frozenset(s.key for s in facts.timed), known=facts.timed, on_sample=run.keep, on_event=event,
        settings=Settings(
            minutes=run.checklist.budget.minutes, requests=run.checklist.budget.requests,
            flush=flush if flushable else None, salt=not flushable,
            at_least=item.speedup.at_least, confidence=item.confidence, early_stop=False,
        ),
    )  # fmt: skip


async def _flush(run: Recorder, sitting: Sitting, facts: Facts) -> bool:
    """Whether every server's cache can be flushed; what was done is a fact either way."""
    states = [
        await flushing.flush(mode, sitting.endpoints[mode], facts.endpoints.get(mode)) for mode in sitting.targets
    ]
    every = all(state.method == "flush" for state in states)
    for state in states:
        method = "flush" if every else "salt"
        run.keep(CacheState(mode=state.mode, method=method, verified=state.verified, detail=state.detail))
    return every
