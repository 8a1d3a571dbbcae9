"""Starts the servers that the checklist says how to start, one after the other, and does their work while they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from evalkit.checklist.schema import Endpoint
from evalkit.client.types import ChatClient
from evalkit.errors import LaunchError
from evalkit.run.recorder import Recorder, Sitting
from evalkit.serving.launch import LaunchFailed, launched

Work = Callable[[Recorder, Sitting], Awaitable[None]]


async def launch_each(run: Recorder, client: ChatClient, endpoints: dict[str, Endpoint], work: Work) -> None:
    """One mode's server started, its work done, and stopped, for each of `endpoints` with a `launch`."""
    for label, endpoint in endpoints.items():
        if endpoint.launch is not None:
            await _launch(run, client, label, endpoint, work)


async def _launch(run: Recorder, client: ChatClient, label: str, endpoint: Endpoint, work: Work) -> None:
    run.say("serving", f"starting {label}")
    chosen = run.checklist.candidate
    try:
        async with launched(
            label, endpoint, model=chosen.model if chosen else "", log_dir=run.folder.logs,
            revision=chosen.revision if chosen else "main", context=run.checklist.items.context.need_tokens,
        ) as running:  # fmt: skip
            run.keep(running.facts)
            served = endpoint.model_copy(update={"endpoint": running.base_url})
            await work(run, Sitting(client, {label: served}, running))
    except LaunchFailed as error:
        run.keep(error.facts)
        run.error("serving", label, error)
    except LaunchError as error:
        run.error("serving", label, error)
