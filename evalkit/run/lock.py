"""One run, one process: a lock on the run folder that a dead process does not keep."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from evalkit.errors import RunFolderError


class FolderLock:
    """An exclusive `flock` on `.lock`; the kernel releases it when its process dies."""

    def __init__(self, folder: Path) -> None:
        """Take the lock at once.

        Raises:
            RunFolderError: another process works in the folder (its pid is named), or it is not writable.
        """
        path = folder / ".lock"
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RunFolderError(f"cannot be locked: {error.strerror}", where=str(folder)) from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise RunFolderError(
                f"another evalkit (pid {pid}) is working in this folder",
                where=str(folder),
                hint="wait for it, or stop it",
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        os.close(self._fd)
