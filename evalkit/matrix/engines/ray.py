"""Cells as tasks of a Ray cluster, or of Ray on this machine: a cell has its node to itself, and its files come back.

A task streams what its cell wrote, so that a node that dies takes little with it. Nothing is tried twice: a cell that
was lost goes on with `--resume`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalkit.errors import EvalkitError, UsageError
from evalkit.matrix import node
from evalkit.matrix.engines.base import Handle, State
from evalkit.matrix.outcome import ENDED, Ended, Outcome, outcome, write_ended
from evalkit.matrix.plan import Cell
from evalkit.text import one_line

#: seconds for a cell that was cancelled to end its servers and its report
_CANCEL_S = node.GRACE_S + 15
#: seconds between two looks for a node of the kind that a cell waits for, and in which there may be none
_LOOK_S = 15.0
_ABSENT_S = 60.0
_HINT = "in a checkout: pip install '.[fast,ray]', on every node"
INSTALL = "--engine ray needs Ray, which is not installed"


@dataclass
class _Task:
    """A cell that was handed in: Ray's stream of it, and what it said last."""

    stream: Any
    #: a node has it
    placed: bool = False
    began: bool = False
    line: str = ""
    problem: str = ""
    #: when its kind of node was last looked for, and since when there is none
    looked: float = 0.0
    absent: float | None = None


class Ray:
    """A cluster that exists (RAY_ADDRESS, or one started on this machine), else Ray on this machine alone."""

    name = "ray"
    together: int | None = None
    detached = False

    def __init__(self, out: Path, say: Callable[[str], None]) -> None:
        """Connect.

        Raises:
            UsageError: Ray is not installed, or the cluster cannot be reached or is another version's.
        """
        self._out, self._say = out, say
        self._ray = _connected()
        self._cell = self._ray.remote(_task())
        self._streams: list[Any] = []

    def submit(self, cells: Sequence[Cell]) -> list[Handle]:
        return [self._hand_in(cell) for cell in cells]

    def _hand_in(self, cell: Cell) -> Handle:
        folder = self._out / "cells" / cell.id
        handle = Handle(cell, folder)
        (folder / ENDED).unlink(missing_ok=True)
        wanted = self._place(cell)
        if isinstance(wanted, str):
            node.failed(cell, folder, "not-run", wanted)
            return handle
        try:
            task = node.bundle(self._out, cell)
        except EvalkitError as error:
            node.failed(cell, folder, "failed", one_line(str(error)))
            return handle
        options = {**wanted, "max_retries": 0, "num_returns": "streaming", "name": f"evalkit {cell.id}"}
        handle.ref = _Task(self._cell.options(**options).remote(task))
        self._streams.append(handle.ref.stream)
        return handle

    def _place(self, cell: Cell) -> dict[str, Any] | str:
        """What the task asks of Ray: all CPUs of a node of its kind; or why there is no such node."""
        asked = cell.ray
        gpus = cell.gpus if cell.launches else 0
        options: dict[str, Any] = {"num_gpus": gpus}
        if asked.labels:
            options["label_selector"] = dict(asked.labels)
        if asked.accelerator:
            options["accelerator_type"] = asked.accelerator
        if asked.resources:
            options["resources"] = dict(asked.resources)
        cpus = asked.cpus or self._cpus(cell, gpus)
        return cpus if isinstance(cpus, str) else {**options, "num_cpus": cpus}

    def _cpus(self, cell: Cell, gpus: int) -> float | str:
        """CPUs of the nodes of the cell's kind, which are those of one node; or why that is not known."""
        needed = {"GPU": float(gpus), **cell.ray.resources}
        if cell.ray.accelerator:
            needed[f"accelerator_type:{cell.ray.accelerator}"] = 0.001
        fitting = [
            one["Resources"].get("CPU", 0.0)
            for one in self._ray.nodes()
            if one["Alive"]
            and all(one.get("Labels", {}).get(key) == value for key, value in cell.ray.labels.items())
            and all(one["Resources"].get(name, 0.0) >= amount for name, amount in needed.items())
        ]
        sizes = sorted({size for size in fitting if size > 0})
        if not sizes:
            return f"no node of the cluster is of the kind {cell.hardware}"
        if len(sizes) > 1:
            return (
                f"nodes of the kind {cell.hardware} have {sizes[0]:g} to {sizes[-1]:g} CPUs: "
                "give each size a kind of its own, or say axes.hardware.ray.cpus"
            )
        return float(sizes[0])

    def poll(self, handle: Handle) -> State:
        task: _Task | None = handle.ref
        if task is None:
            return "ended"
        try:
            for update in self._arrived(task):
                self._take(handle, update)
                if handle.ref is None:
                    return "ended"
        except (StopIteration, self._ray.exceptions.RayError) as error:
            self._lost(handle, error)
            return "ended"
        if not task.placed and (gone := self._gone(handle.cell, task)):
            self._ray.cancel(task.stream, force=False)
            node.failed(handle.cell, handle.folder, "not-run", gone)
            handle.ref = None
            return "ended"
        return "running" if task.began else "waiting"

    def _gone(self, cell: Cell, task: _Task) -> str:
        """Why a cell that waits will never have its node: the last of that kind has been gone for a while."""
        now = time.monotonic()
        if now - task.looked < _LOOK_S:
            return ""
        task.looked, wanted = now, self._place(cell)
        if not isinstance(wanted, str):
            task.absent = None
            return ""
        task.absent = task.absent if task.absent is not None else now
        return wanted if now - task.absent >= _ABSENT_S else ""

    def _arrived(self, task: _Task) -> Iterator[dict[str, Any]]:
        """What the task has sent since the last look."""
        while self._ray.wait([task.stream], timeout=0)[0]:
            yield self._ray.get(next(task.stream))

    def _take(self, handle: Handle, update: dict[str, Any]) -> None:
        task: _Task = handle.ref
        task.placed = True
        task.line = str(update.get("line", task.line))
        task.began = task.began or update["state"] == "running"
        try:
            node.received(handle.folder, update)
        except (EvalkitError, OSError) as error:
            task.problem = one_line(str(error))
        if update["state"] != "ended":
            return
        ended = Ended.model_validate(update["ended"])
        torn = task.problem or node.incomplete(handle.folder, update)
        if torn:
            reason = f"its files did not come back as the node had them: {torn}"
            ended = ended.model_copy(update={"reason": "lost", "detail": reason})
        handle.ref = None
        write_ended(handle.folder, ended)

    def _lost(self, handle: Handle, error: BaseException) -> None:
        """The task ended without an account of its cell."""
        known = self._ray.exceptions
        kinds: tuple[tuple[type, str, str], ...] = (
            (known.OutOfMemoryError, "out-of-memory", "Ray ended it, as the memory of its node ran out"),
            (known.NodeDiedError, "lost", "its node died"),
            (known.WorkerCrashedError, "lost", "its process on the node died, or the node did"),
            (known.TaskCancelledError, "interrupted", "it was cancelled; --resume goes on where it ended"),
            (known.RayTaskError, "failed", ""),
        )
        kind, said = next(((k, s) for cls, k, s in kinds if isinstance(error, cls)), ("lost", ""))
        cause = getattr(error, "cause", None) or error
        node.failed(handle.cell, handle.folder, kind, said or one_line(f"{type(cause).__name__}: {cause}", limit=200))
        handle.ref = None

    def logs(self, handle: Handle) -> str:
        return handle.ref.line if handle.ref else ""

    def fetch(self, handle: Handle) -> Outcome:
        return outcome(handle.cell, handle.folder)

    def cancel(self, handle: Handle, reason: Literal["interrupted", "timed-out"]) -> None:
        """Ask all cells to end, and wait until this one's servers are gone; its keeper ends them in any case."""
        task: _Task | None = handle.ref
        if task is None:
            return
        while self._streams:
            self._ray.cancel(self._streams.pop(), force=False)
        deadline = time.monotonic() + _CANCEL_S
        while handle.ref is not None and time.monotonic() < deadline:
            self.poll(handle)
            time.sleep(0.2)
        handle.ref = None
        node.failed(handle.cell, handle.folder, reason, "it was interrupted; --resume goes on where it ended")


def _connected() -> Any:
    """The ray module, connected to a cluster.

    Raises:
        UsageError: it is not installed, or its cluster cannot be used.
    """
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise UsageError(INSTALL, hint=_HINT) from None
    try:
        ray.init(log_to_driver=False, logging_level="error", include_dashboard=False)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        hint = "the cluster and this machine need the same versions of Ray and Python; ray status says what runs"
        raise UsageError(f"Ray cannot be used: {one_line(str(error), limit=300)}", hint=hint) from None
    return ray


def _task() -> Callable[[dict[str, Any]], Iterator[dict[str, Any]]]:
    """What a node runs. It is sent by its code, so that it can say that the node has another evalkit, or none."""

    def cell(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
        try:
            import evalkit

            found = evalkit.__version__
        except ImportError:
            found = "no evalkit"
        if found != task["version"]:
            detail = f"its node has evalkit {found}" if found[0].isdigit() else f"its node has {found}"
            said = {"plan_sha256": task["cell"]["plan_sha256"], "reason": "failed"}
            yield {"state": "ended", "ended": {**said, "detail": f"{detail}, and {task['version']} planned the cell"}}
            return
        from evalkit.matrix.node import work

        yield from work(task)

    return cell
