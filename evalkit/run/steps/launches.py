"""Starts the servers that the checklist says how to start, one after the other, and does their work while they run."""

from __future__ import annotations

from evalkit.checklist.schema import Endpoint
from evalkit.client.types import ChatClient
from evalkit.errors import UsageError
from evalkit.run.recorder import Recorder, Session
from evalkit.run.steps import candidate, tries
from evalkit.run.steps.restarts import Work
from evalkit.serving.facts import LaunchFacts
from evalkit.serving.launch import LaunchFailed, launched


async def launch_each(
    run: Recorder, client: ChatClient, endpoints: dict[str, Endpoint], work: Work, failed: set[str]
) -> None:
    """The starts of the plan in order: each server started, its work done, and stopped.

    A start whose work is in the journal already is left out; a server that did not come up, as those of `failed` when
    they were tried, is not started again.
    """
    for label, launch in run.setup.plan.starts:
        endpoint = endpoints.get(label)
        if endpoint is None or label in failed or not tries.needed(run, label, launch):
            continue
        if not candidate.goes_on(run):
            return
        if run.left_s is not None and run.left_s <= 0:
            run.stopped = f"budget: minutes used up before start {launch + 1} of {label}"
            return
        if not await _launch(run, client, label, launch, endpoint, work):
            failed.add(label)
        if run.stopped and not run.facts.attempts[label].ok:
            return
        if _conflicts(run, label):
            failed.add(label)
            if label == run.checklist.baseline.speed:
                return  # nothing to compare with


def _conflicts(run: Recorder, label: str) -> bool:
    """Whether its requests would surely fail, so that a second start brings nothing."""
    seen = run.facts.preflights.get(label)
    return seen is not None and seen.stopped


async def _launch(  # noqa: PLR0917  called once, right above
    run: Recorder, client: ChatClient, label: str, launch: int, endpoint: Endpoint, work: Work
) -> bool:
    """Whether the server came up."""
    last = run.setup.plan.last_start(label)
    run.say("serving", f"starting {label}" + (f" ({launch + 1} of {last + 1})" if last else ""))
    model, revision = tries.model_of(run.setup.loaded, run.facts.candidate)
    context = tries.window(run.checklist, run.facts, run.facts.candidate)
    try:
        async with launched(
            label, endpoint, model=model, revision=revision, context=context, log_dir=run.folder.logs,
            launch=launch,
        ) as running:  # fmt: skip
            run.keep(running.facts)
            served = endpoint.model_copy(update={"endpoint": running.base_url})
            session = Session(client, {label: served}, running, launch=launch, last=launch == last)
            if not await tries.first(run, session, label):
                return False
            await work(run, session)
    except LaunchFailed as error:
        run.keep(error.facts)
        if tries.not_up(run, label, error):
            run.tell("serving", str(error))
        return False
    except UsageError as error:  # a key that is not set
        run.keep(LaunchFacts(mode=label, launch=launch, argv=(), error=str(error)))
        return False
    return True
