"""What else the machine did while modes were timed: read between batches, so that no timed request waits for it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from evalkit import system
from evalkit.gpu.facts import GpuOthers
from evalkit.gpu.host import process_tree
from evalkit.timing.facts import WitnessSample

#: seconds between two looks at least: reading all processes takes some milliseconds
_EVERY_S = 2.0


class _Reading(NamedTuple):
    at: float
    wall: float
    #: CPU seconds by process: its number and start
    used: dict[tuple[int, float], float]
    parents: dict[int, int]
    steal: float
    total: float


class Witness:
    """Looks at the processes of this machine. `servers` are the pids of the compared servers; None among them: a server
    of this machine whose process is not known, so that its work cannot be told from other people's. `devices`: the GPUs
    that they run on.
    """

    def __init__(
        self, servers: Iterable[int | None], *, devices: Iterable[int] = (), every_s: float = _EVERY_S
    ) -> None:
        known = list(servers)
        self._separable = None not in known
        self._roots = frozenset({os.getpid()}.union(*(process_tree(pid) for pid in known if pid is not None)))
        self._every_s = every_s
        self._devices = tuple(devices)
        self._last = _read()

    def look(self, phase: Literal["before", "during", "after"], mode: str | None = None) -> WitnessSample | None:
        """What was used since the last look; None when that was just now, or nothing can be read."""
        if self._last is None or time.monotonic() - self._last.at < (self._every_s if phase == "during" else 0.1):
            return None
        now = _read()
        if now is None:
            return None
        last, self._last = self._last, now
        seconds = now.at - last.at
        own = _descendants(self._roots, {**last.parents, **now.parents})
        outside = sum(max(0.0, used - last.used.get(key, 0.0)) for key, used in now.used.items()
                      if key[0] not in own and (key in last.used or key[1] >= last.wall - 1))  # fmt: skip
        busy = now.total - last.total
        return WitnessSample(
            phase=phase, mode=mode, seconds=round(seconds, 3), cores=os.cpu_count() or 1, separable=self._separable,
            outside_cpu=round(outside / seconds, 4),
            steal=round((now.steal - last.steal) / busy, 4) if busy > 0 else None,
            psi=_pressure(), load=system.load_1m(), gpus=_others(self._devices, own, last.wall),
        )  # fmt: skip


def _others(devices: tuple[int, ...], own: frozenset[int], since: float) -> tuple[GpuOthers, ...]:
    if not devices:
        return ()
    from evalkit.gpu.telemetry import others

    return others(devices, own, since)


def _read() -> _Reading | None:
    import psutil

    used: dict[tuple[int, float], float] = {}
    parents: dict[int, int] = {}
    now, wall = time.monotonic(), time.time()
    try:
        for one in psutil.process_iter(["pid", "ppid", "create_time", "cpu_times"], ad_value=None):
            info = one.info
            if info["cpu_times"] is None or info["create_time"] is None:
                continue
            used[info["pid"], info["create_time"]] = info["cpu_times"].user + info["cpu_times"].system
            parents[info["pid"]] = info["ppid"] or 0
        times = psutil.cpu_times()
    except (psutil.Error, OSError):
        return None
    return _Reading(now, wall, used, parents, float(getattr(times, "steal", 0.0)), float(sum(times)))


def _descendants(roots: frozenset[int], parents: dict[int, int]) -> frozenset[int]:
    """`roots` and all processes below them."""
    own = set(roots)
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in own and pid not in own}
        own |= more
        grown = bool(more)
    return frozenset(own)


def _pressure() -> float | None:
    """Share of the last ten seconds in which some work waited for a CPU (Linux PSI)."""
    try:
        first = Path("/proc/pressure/cpu").read_text(encoding="ascii").splitlines()[0]
        return float(first.split("avg10=")[1].split()[0]) / 100
    except (OSError, IndexError, ValueError):
        return None
