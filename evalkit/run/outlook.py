"""What a run will cost, said before anything is sent; and, while it works, the results so far and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from evalkit.analysis.order import Reading
from evalkit.analysis.running import Running, SoFar
from evalkit.errors import UsageError
from evalkit.fmt import plural, ratio
from evalkit.run.setup import Setup
from evalkit.run.show import duration
from evalkit.run.sizing import cost_of, work

#: minutes from which a run without a budget asks first
ASKS_FROM = 30
#: share of an item that must be done before its pace counts
_SHOWS = 0.03
#: seconds between two looks at the results so far: looking takes time that belongs to the work
_LOOK_S = 2.0


def announcement(setup: Setup) -> tuple[str, int]:
    """What the run will send, in one line, and its minutes at most."""
    cost = cost_of(setup)
    requests = cost["timed_requests"] + cost["task_requests"]
    minutes: int = cost["minutes"]
    if not requests and not cost["starts"]:
        return "", 0
    parts = [
        f"up to {requests:,} requests ({cost['timed_requests']:,} timed, {cost['task_requests']:,} of tasks)",
        f"at most {duration(minutes * 60)} at {cost['tokens_per_second']:g} tokens/s",
    ]
    if cost["starts"]:
        parts.append(plural(len(cost["starts"]), "server start"))
    if cost["usd"] is not None:
        parts.append(f"at most USD {cost['usd']:g}")
    limits = []
    if setup.minutes is not None:
        limits.append(f"{setup.minutes:g} minutes")
    if setup.checklist.budget.requests is not None:
        limits.append(f"{setup.checklist.budget.requests:,} requests")
    longest = f"; {cost['output_tokens']:,} output tokens, were every reply as long as it may be"
    budget = f"; the budget is {' and '.join(limits)}" if limits else ""
    return f"this run sends {', '.join(parts)}{longest}{budget}", minutes


def consent(setup: Setup, minutes: int, *, yes: bool) -> None:
    """Asks at a terminal before a run of more than half an hour that has no budget.

    Raises:
        UsageError: the answer is not yes; nothing was sent.
    """
    budget = setup.minutes is not None or setup.checklist.budget.requests is not None
    if yes or budget or minutes <= ASKS_FROM or not sys.stdin or not sys.stdin.isatty() or not sys.stderr.isatty():
        return
    sys.stderr.write("start it? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
        raise UsageError(
            "not started: nothing was sent",
            hint="set budget.minutes in the checklist, `profile: first-look` for 15 minutes, or start it with --yes",
        )


class Outlook:
    """The results so far and the time left, from what is done of what was planned."""

    def __init__(self, setup: Setup) -> None:
        item, found = setup.checklist.items.modes, work(setup)
        prompts = sum(prompt.same_as is None for prompt in setup.prompts.prompts)
        self._running = Running(
            setup.plan.baseline, list(setup.checklist.modes), prompts,
            confidence=item.confidence, start_sd=item.start_sd,
        )  # fmt: skip
        self._planned = {"modes": found.timed_s, "quality": found.task_s}
        self._most = {"modes": len(setup.plan.requests), "quality": found.task_requests}
        self._fixed = found.soak_s
        self._done = dict.fromkeys(self._planned, 0)
        self._before = dict.fromkeys(self._planned, 0)
        self._over: set[str] = set()
        self._since: dict[str, float] = {}
        self._spent = dict.fromkeys(self._planned, 0.0)
        self._looked = 0.0

    def add(self, reading: Reading) -> None:
        """One sample at the deciding concurrency."""
        self._running.add(reading)

    def kept(self, item: str, *, earlier: bool = False) -> None:
        """One request of the item is done; `earlier`: in a session before this one, so that it shows no pace."""
        self._done[item] += 1
        if earlier:
            self._before[item] += 1

    def begin(self, item: str | None) -> None:
        """The item that is at work from now on."""
        now = time.monotonic()
        for name, since in self._since.items():
            self._spent[name] += now - since
        self._since = {item: now} if item in self._planned else {}

    def finish(self, item: str) -> None:
        self._over.add(item)
        if item == "serving":
            self._fixed = 0.0

    def due(self) -> bool:
        """Whether it is time for another look."""
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return False
        self._looked = now
        return True

    def results(self) -> list[str]:
        return [result(one) for one in self._running.so_far()]

    def left_s(self) -> float | None:
        """Seconds until the end; None before anything of it was seen."""
        now = time.monotonic()
        spent = {name: self._spent[name] + now - self._since.get(name, now) for name in self._planned}
        share, pace = {}, {}
        for name, most in self._most.items():
            here, rest = self._done[name] - self._before[name], max(most - self._before[name], 1)
            share[name] = 1.0 if name in self._over else min(self._done[name] / max(most, 1), 1.0)
            pace[name] = spent[name] / here * most if here >= max(_SHOWS * rest, 5) else None
        return seconds_left(self._planned, share, pace, self._fixed) if any(pace.values()) else None


def seconds_left(
    planned: Mapping[str, float], share: Mapping[str, float], seen: Mapping[str, float | None], fixed: float
) -> float:
    """`planned` seconds of each item, less its `share` that is done, at the pace that was `seen` of it.

    `seen`: seconds that the whole item takes at its pace here; None where it did not begin: then the pace of the others
    is taken. `fixed` seconds come on top.
    """
    paces = [whole / planned[name] for name, whole in seen.items() if whole is not None and planned[name] > 0]
    usual = sum(paces) / len(paces) if paces else 1.0
    total = fixed
    for name, seconds in planned.items():
        whole = seen.get(name)
        total += (seconds * usual if whole is None else whole) * (1 - share.get(name, 0.0))
    return total


def result(one: SoFar) -> str:
    """`diffusion so far 1.47× (1.21–1.78), 36 of 160 prompts`."""
    return (
        f"{one.mode} so far {ratio(one.ratio)} ({one.low:.2f}–{one.high:.2f}), {one.prompts} of {one.planned} prompts"
    )


def left_words(seconds: float | None) -> str:
    """`about 12 min left`; nothing where it is not known."""
    return "" if seconds is None else f"about {duration(max(seconds, 1.0))} left"
