"""Collects all facts of a run, step by step, into the journal. Whatever fails becomes a fact, never a crash."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

from evalkit import client as clients
from evalkit.checklist.schema import Endpoint
from evalkit.facts import Facts
from evalkit.findings import ITEM_IDS
from evalkit.modes import INCUMBENT
from evalkit.run.recorder import Recorder, Session
from evalkit.run.setup import Setup
from evalkit.run.show import Show
from evalkit.run.steps import candidate, launches, load, quality, restarts, serving, timing, tries
from evalkit.stored.folder import RunFolder


def collect(setup: Setup, folder: RunFolder, show: Show) -> Facts:
    """The facts of the whole run so far, after this session.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was measured is in the journal.
    """
    run = Recorder(setup, folder, show)
    try:
        run.begin()
        candidate.read_candidate(run)
        run.finish("license")
        clients.run(_servers(run))
        run.end()
    except (KeyboardInterrupt, asyncio.CancelledError):
        show.tell("run", "interrupted: the connections are closed and the report is written")
        run.end(interrupted=True)
        raise KeyboardInterrupt from None
    finally:
        run.journal.close()
    return folder.facts()


async def _servers(run: Recorder) -> None:
    """First the servers that are up together; then modes that share an address; then those that evalkit starts."""
    endpoints: dict[str, Endpoint] = dict(run.checklist.modes)
    if run.checklist.incumbent:
        endpoints[INCUMBENT] = run.checklist.incumbent
    endpoints = {label: e for label, e in endpoints.items() if run.setup.takes(label) or e.launch is None}
    live = {label: e for label, e in endpoints.items() if e.launch is None}
    together, shared = restarts.by_address(live)
    alone = {label: e for label, e in together.items() if run.setup.takes(label)}
    started = {label: e for label, e in endpoints.items() if e.launch is not None}
    dead = await tries.try_each(run, started, live=bool(live))
    if dead is None:
        candidate.look_at_hardware(run)
        return
    run.sessions_left = bool(alone or not endpoints) + sum(map(len, shared)) + len(run.setup.plan.starts)
    async with aclosing(clients.open_client([e.endpoint for e in endpoints.values() if e.endpoint])) as client:
        if alone or not endpoints:
            await sit(run, Session(client, alone))
        for group in shared:
            await restarts.in_turn(run, client, group, sit)
        await launches.launch_each(run, client, endpoints, sit, dead)
        run.sessions_left = 0
        for item in ITEM_IDS:
            if run.wanted(item):
                run.finish(item)


async def sit(run: Recorder, session: Session) -> None:
    """All work of the servers that are up together."""
    run.sessions_left -= 1
    await serving.probe_servers(run, session)
    serving.complete(run, session)
    candidate.look_at_hardware(run)
    run.finish("hardware")
    serving.check(run, session)
    if session.targets and candidate.goes_on(run):
        async with serving.counted(run, session):
            await _measure(run, session)
        await serving.look_again(run, session)


async def _measure(run: Recorder, session: Session) -> None:
    timed = replace(session, targets=serving.timing_references(run, session))
    if run.wanted("modes") and timed.targets:
        await timing.time_modes(run, timed)
        await timing.time_repeated(run, timed)
        await load.load_modes(run, timed)
    run.finish("modes")
    if not session.last:
        return
    if run.wanted("quality"):
        await quality.ask_tasks(run, session)
        run.finish("quality")
    if run.wanted("serving"):
        await quality.draw(run, session)
    if run.wanted("context") and run.checklist.items.context.probe:
        await serving.probe_windows(run, session)
        run.finish("context")
    if run.wanted("serving"):
        await serving.soak_servers(run, session)
