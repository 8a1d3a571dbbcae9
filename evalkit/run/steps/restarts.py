"""Modes that share one address: the server is restarted by hand in between, and each mode has a session of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from evalkit.checklist.schema import Endpoint
from evalkit.client.types import ChatClient
from evalkit.errors import UsageError
from evalkit.modes import INCUMBENT, base_mode
from evalkit.run.recorder import Recorder, Session
from evalkit.run.resume import continued
from evalkit.run.steps.load import open_loads
from evalkit.run.steps.quality import open_cases
from evalkit.run.steps.timing import open_requests
from evalkit.serving.control import base_url
from evalkit.serving.facts import EndpointFacts
from evalkit.serving.probe import probe

Work = Callable[[Recorder, Session], Awaitable[None]]
_LOOK_S = 2.0


def by_address(endpoints: dict[str, Endpoint]) -> tuple[dict[str, Endpoint], list[dict[str, Endpoint]]]:
    """Endpoints that can be up together, and groups of modes that share one address. The incumbent stands by itself."""
    groups: dict[str, dict[str, Endpoint]] = {}
    for label, endpoint in endpoints.items():
        address = base_url(endpoint.endpoint) if endpoint.endpoint and label != INCUMBENT else f"no address: {label}"
        groups.setdefault(address, {})[label] = endpoint
    alone = {label: e for group in groups.values() if len(group) == 1 for label, e in group.items()}
    return alone, [group for group in groups.values() if len(group) > 1]


async def in_turn(run: Recorder, client: ChatClient, group: dict[str, Endpoint], work: Work) -> None:
    """One mode after the other, whichever the server shows; asks for a restart where somebody sits at a terminal."""
    left = [label for label in group if run.setup.takes(label) and not measured(run, label)]
    while left:
        if len(group) > 1 and run.setup.only_modes == {left[0]}:
            label: str | None = left[0]  # named by the user: what it really is, the findings say
        else:
            label = _fitting(run, group, left, await _look(run, client, group[left[0]]))
        label = label or await _restarted(run, client, group, left)
        if label is None:
            _continue_with(run, left)
            return
        left.remove(label)
        await work(run, Session(client, {label: group[label]}))


def measured(run: Recorder, label: str) -> bool:
    """Whether everything that is asked of a mode is in the journal."""
    facts, checklist = run.facts, run.checklist
    if label not in facts.endpoints or not facts.endpoints[label].reachable:
        return False
    if run.wanted("modes") and (open_requests(run, [label]) or open_loads(run, label, 0)):
        return False
    if run.wanted("quality") and open_cases(run, label):
        return False
    if run.wanted("context") and checklist.items.context.probe and label not in facts.context_probes:
        return False
    return not (run.wanted("serving") and checklist.items.serving.stability and label not in facts.stability)


async def _look(run: Recorder, client: ChatClient, endpoint: Endpoint) -> EndpointFacts:
    """What the server says of itself now; nothing is generated."""
    try:
        return await probe("now", endpoint, client=client, observe=False, limits=run.checklist.limits.control())
    except UsageError as error:
        return EndpointFacts(label="now", endpoint=endpoint.endpoint or "", reachable=False, error=str(error))


def _fitting(run: Recorder, group: dict[str, Endpoint], left: list[str], seen: EndpointFacts) -> str | None:
    """The open mode that this process declares and that no other mode of the group was measured in."""
    taken = {run.facts.endpoints[name].process for name in group if name in run.facts.endpoints and name not in left}
    if not seen.reachable or (seen.process is not None and seen.process in taken):
        return None
    return next((label for label in left if base_mode(label).value == seen.declared_mode), None)


async def _restarted(run: Recorder, client: ChatClient, group: dict[str, Endpoint], left: list[str]) -> str | None:
    """Waits at a terminal until the server shows an open mode, or Enter is pressed; None without a terminal."""
    label = left[0]
    if not sys.stdin or not sys.stdin.isatty():
        return None
    address = group[label].endpoint
    run.tell(
        "serving",
        f"restart the server at {address} in mode {label}: the run continues when it shows that mode "
        "(Enter: measure what is there; Ctrl-C: end, to be resumed)",
    )
    loop, pressed = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        sys.stdin.readline()
        pressed.set()

    loop.add_reader(sys.stdin.fileno(), read)
    try:
        while not pressed.is_set():
            found = _fitting(run, group, left, await _look(run, client, group[label]))
            if found:
                return found
            try:
                await asyncio.wait_for(pressed.wait(), _LOOK_S)
            except TimeoutError:
                continue
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return label


def _continue_with(run: Recorder, left: list[str]) -> None:
    """Which command goes on, when nobody is there to be asked."""
    words = [word for word in sys.argv[1:] if word != "--json"]
    for label in left:
        command = continued(words, str(run.folder.path), only_mode=label)
        run.tell("serving", f"{label} waits: restart the server in this mode, then: {command}")
    run.stopped = f"the server must be restarted for {', '.join(left)}: run again with --only-mode and --resume"
