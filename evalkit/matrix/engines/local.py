"""Cells on this machine, one after the other: each is a process of `evalkit run` in a process group of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalkit import system
from evalkit.matrix.engines.base import Handle, State
from evalkit.matrix.node import GRACE_S, late_detail, wrong_gpu
from evalkit.matrix.outcome import ENDED, LOG, Ended, Outcome, begun, last_line, outcome, write_ended
from evalkit.matrix.plan import Cell, command
from evalkit.run.token import Token, wait


@dataclass
class _Process:
    process: subprocess.Popen[bytes]
    token: Token
    began: float


class Local:
    """This machine."""

    name = "local"
    together: int | None = 1
    detached = False

    def __init__(self, out: Path, say: Callable[[str], None], *, token: Path | None = None) -> None:
        self._out, self._say, self._token = out, say, token

    def submit(self, cells: Sequence[Cell]) -> list[Handle]:
        return [self._start(cell) for cell in cells]

    def _start(self, cell: Cell) -> Handle:
        folder = self._out / "cells" / cell.id
        handle = Handle(cell, folder)
        wrong = wrong_gpu(cell)
        (folder / ENDED).unlink(missing_ok=True)
        if wrong:
            write_ended(folder, Ended(plan_sha256=cell.plan_sha256, reason="wrong-gpu", detail=wrong))
            return handle
        token = wait(self._say, self._token)
        try:
            words = words_of(self._out, cell, resume=begun(folder))
            with (folder / LOG).open("ab") as log:
                process = subprocess.Popen(  # noqa: S603  evalkit itself, on a checklist that it wrote
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(token.fd,),
                    env=token.for_child(),
                )
        except BaseException:
            token.release()
            raise
        handle.ref = _Process(process, token, time.monotonic())
        return handle

    def poll(self, handle: Handle) -> State:
        if handle.ref is None:
            return "ended"
        code = handle.ref.process.poll()
        if code is None and time.monotonic() - handle.ref.began > handle.cell.most_minutes * 60:
            self.cancel(handle, "timed-out")
            return "ended"
        if code is None:
            return "running"
        self._over(handle, Ended(plan_sha256=handle.cell.plan_sha256, exit_code=code))
        return "ended"

    def logs(self, handle: Handle) -> str:
        return last_line(handle.folder / LOG)

    def fetch(self, handle: Handle) -> Outcome:
        return outcome(handle.cell, handle.folder)

    def cancel(self, handle: Handle, reason: Literal["interrupted", "timed-out"]) -> None:
        """TERM to the group, which a run takes as Ctrl-C; KILL after `GRACE_S`. Its keeper ends servers even then."""
        if handle.ref is None:
            return
        process: subprocess.Popen[bytes] = handle.ref.process
        system.end_group(process.pid, hard=False)
        try:
            code = process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            system.end_group(process.pid, hard=True)
            code = process.wait()
        system.end_group(process.pid, hard=True)  # what is left of the group
        ended = Ended(plan_sha256=handle.cell.plan_sha256, exit_code=code)
        if reason == "timed-out":
            ended = ended.model_copy(update={"reason": reason, "detail": late_detail(handle.cell)})
        self._over(handle, ended)

    @staticmethod
    def _over(handle: Handle, ended: Ended) -> None:
        handle.ref.token.release()
        handle.ref = None
        write_ended(handle.folder, ended)


def words_of(out: Path, cell: Cell, *, resume: bool) -> list[str]:
    """The cell's command, by this very installation of evalkit."""
    return [sys.executable, "-m", "evalkit", *command(out, cell, resume=resume)]
