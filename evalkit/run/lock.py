"""One run, one process: a lock on the run folder that a dead process does not keep."""

from __future__ import annotations

import os
from pathlib import Path

from evalkit import system
from evalkit.errors import RunFolderError

_MOST = 256


class FolderLock:
    """An exclusive lock on `.lock`; the kernel releases it when its process dies.

    The file names its owner by pid and start time, for the message, and for file systems without locks: there an
    owner counts only while a process of that pid, started at that time, is alive.
    """

    def __init__(self, folder: Path) -> None:
        """Take the lock at once.

        Raises:
            RunFolderError: another process works in the folder (its pid is named), or it is not writable.
        """
        path = folder / ".lock"
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | system.NOFOLLOW | system.CLOEXEC | system.BINARY, 0o600)
        except OSError as error:
            raise RunFolderError(
                f"cannot be locked: {error.strerror}", where=str(folder), hint="choose another with --output-dir"
            ) from None
        try:
            self._take(folder)
        except BaseException:
            os.close(self._fd)
            raise

    def _take(self, folder: Path) -> None:
        owner = system.read_start(self._fd, _MOST).decode("ascii", "replace").split()
        try:
            taken = not system.lock(self._fd)
        except OSError:  # no locks on this file system
            taken = _alive(owner)
        if taken:
            raise _taken(folder, owner)
        try:
            os.ftruncate(self._fd, 0)
            system.write_start(self._fd, f"{os.getpid()} {started(os.getpid())}\n".encode())
        except OSError as error:
            raise RunFolderError(
                f"cannot be locked: {error.strerror}", where=str(folder), hint="make room on the disk"
            ) from None

    def release(self) -> None:
        """Give the folder up; nobody owns it then, whatever the file system."""
        try:
            os.ftruncate(self._fd, 0)
        except OSError:
            pass  # a full or lost disk: the owner is dead soon, which is as good
        os.close(self._fd)


def started(pid: int) -> str:
    """When a process began, to tell it from a later one of the same pid; empty when there is none."""
    import psutil

    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except (psutil.Error, ValueError, OverflowError):
        return ""


def _alive(owner: list[str]) -> bool:
    """Whether the owner that a lock names still runs; one without a start time is taken at its pid."""
    if not owner or not owner[0].isdigit():
        return False
    now = started(int(owner[0]))
    return bool(now) and (len(owner) < 2 or owner[1] == now)


def _taken(folder: Path, owner: list[str]) -> RunFolderError:
    pid = owner[0] if owner and owner[0].isdigit() else "unknown"
    return RunFolderError(
        f"another evalkit (pid {pid}) is working in this folder", where=str(folder), hint="wait for it, or stop it"
    )
