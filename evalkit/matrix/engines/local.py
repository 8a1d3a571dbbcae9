"""Cells on this machine, one after the other: each is a process of `evalkit run` in a process group of its own."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalkit import system
from evalkit.errors import RunFolderError
from evalkit.matrix.engines.base import Handle, State
from evalkit.matrix.outcome import ENDED, LOG, Ended, Outcome, begun, last_line, outcome, right_gpu, write_ended
from evalkit.matrix.plan import Cell, command

#: seconds from asking a cell to end until it is ended: SGLang needs six, and its run then writes its report
GRACE_S = 60.0
#: seconds between two looks at a lock that another process has
_WAIT_S = 1.0
#: one of them on a machine, whoever runs matrices there
TOKEN = Path(tempfile.gettempdir()) / "evalkit-matrix.token"


class Token:
    """The machine's one permission to time a cell. The kernel takes it back when its holders die.

    The cell's process holds it as well, so that a matrix that was killed does not let a second cell in beside the one
    that it left.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        """Wait for it.

        Raises:
            RunFolderError: the lock file cannot be used.
        """
        self.fd = _opened(path)
        waited = False
        try:
            while not system.lock(self.fd):
                if not waited:
                    say("another matrix times a cell on this machine: waiting for it")
                waited = True
                time.sleep(_WAIT_S)
        except OSError as error:
            os.close(self.fd)
            raise RunFolderError(f"cannot be locked: {error.strerror}", where=str(path)) from None
        except BaseException:
            os.close(self.fd)
            raise

    def release(self) -> None:
        with suppress(OSError):
            os.close(self.fd)


def _opened(path: Path) -> int:
    """The lock file, readable by all users of the machine, so that it is one for all of them."""
    kept = system.NOFOLLOW | system.CLOEXEC | system.BINARY | system.NONBLOCK
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | kept, 0o644))
        descriptor = os.open(path, os.O_RDONLY | kept)
    except OSError as error:
        raise RunFolderError(f"cannot be opened: {error.strerror}", where=str(path), hint="remove it") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RunFolderError("is not a regular file", where=str(path), hint="remove it")
    return descriptor


@dataclass
class _Process:
    process: subprocess.Popen[bytes]
    token: Token


class Local:
    """This machine."""

    name = "local"
    together: int | None = 1

    def __init__(self, out: Path, say: Callable[[str], None], *, token: Path = TOKEN) -> None:
        self._out, self._say, self._token = out, say, token

    def submit(self, cells: Sequence[Cell]) -> list[Handle]:
        return [self._start(cell) for cell in cells]

    def _start(self, cell: Cell) -> Handle:
        folder = self._out / "cells" / cell.id
        handle = Handle(cell, folder)
        wrong = _wrong_gpu(cell)
        (folder / ENDED).unlink(missing_ok=True)
        if wrong:
            write_ended(folder, Ended(plan_sha256=cell.plan_sha256, reason="wrong-gpu", detail=wrong))
            return handle
        token = Token(self._token, self._say)
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
                )
        except BaseException:
            token.release()
            raise
        handle.ref = _Process(process, token)
        return handle

    def poll(self, handle: Handle) -> State:
        if handle.ref is None:
            return "ended"
        code = handle.ref.process.poll()
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
        late = f"it took longer than {handle.cell.most_minutes:g} minutes and was ended"
        ended = Ended(plan_sha256=handle.cell.plan_sha256, exit_code=code)
        if reason == "timed-out":
            ended = ended.model_copy(update={"reason": reason, "detail": late})
        self._over(handle, ended)

    @staticmethod
    def _over(handle: Handle, ended: Ended) -> None:
        handle.ref.token.release()
        handle.ref = None
        write_ended(handle.folder, ended)


def words_of(out: Path, cell: Cell, *, resume: bool) -> list[str]:
    """The cell's command, by this very installation of evalkit."""
    return [sys.executable, "-m", "evalkit", *command(out, cell, resume=resume)]


def _wrong_gpu(cell: Cell) -> str:
    """Why a cell that starts its servers here would run on another card than its own; empty where it would not."""
    from evalkit.gpu.declared import read_declared
    from evalkit.gpu.nvml import collect

    if not cell.launches or read_declared(cell.card).cpu_only:
        return ""
    found = collect(declared=None, endpoints={}, local=True)
    names = [gpu.name for gpu in found.gpus]
    if right_gpu(cell.card, names):
        return ""
    return f"asked for {cell.card}, found {', '.join(names) or 'no GPU'}"
