"""The machine's one permission to time: whoever times there, a run by hand or a cell of a matrix, takes it first.

The kernel takes it back when its last holder dies. A cell's process gets it from the matrix that started it, so that a
matrix that was killed does not let a second cell in beside the one that it left.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from evalkit import system
from evalkit.errors import RunFolderError

#: seconds between two looks at a lock that another process has
_WAIT_S = 1.0
#: one of them on a machine, whoever times there
TOKEN = Path(tempfile.gettempdir()) / "evalkit-matrix.token"
#: variable with the descriptor of the token that the parent has
GIVEN = "EVALKIT_TOKEN_FD"


class Token:
    """A lock that this process has; `fd` may be passed on to a child, which then has it as well."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def release(self) -> None:
        with suppress(OSError):
            os.close(self.fd)

    def for_child(self) -> dict[str, str]:
        """What a child's environment needs to know that it has the token; `fd` is to be passed to it too."""
        return {**os.environ, GIVEN: str(self.fd)}


def take(path: Path | None = None) -> Token | None:
    """The token; None while another process has it.

    Raises:
        RunFolderError: the lock file cannot be used.
    """
    path = path or TOKEN
    descriptor = _opened(path)
    try:
        if system.lock(descriptor):
            return Token(descriptor)
    except OSError as error:
        os.close(descriptor)
        raise RunFolderError(f"cannot be locked: {error.strerror}", where=str(path)) from None
    os.close(descriptor)
    return None


def wait(say: Callable[[str], None], path: Path | None = None) -> Token:
    """The token, once no other process has it; `say` is called where that is not at once.

    Raises:
        RunFolderError: the lock file cannot be used.
    """
    token = take(path)
    if token is None:
        say("another run times on this machine: waiting for it")
    while token is None:
        time.sleep(_WAIT_S)
        token = take(path)
    return token


def given(path: Path | None = None) -> bool:
    """Whether the process that started this one gave it the token."""
    try:
        descriptor = int(os.environ.get(GIVEN, ""))
        mine, its = os.fstat(descriptor), (path or TOKEN).stat()
        return (mine.st_dev, mine.st_ino) == (its.st_dev, its.st_ino) and system.lock(descriptor)
    except (OSError, ValueError):
        return False


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
