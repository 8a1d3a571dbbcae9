"""Writing into a run folder: private, atomic, never through a symbolic link."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from evalkit import system
from evalkit.errors import RunFolderError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.NOFOLLOW | system.BINARY
_PRIVATE = 0o600


def make_private(folder: Path) -> None:
    """Create `folder` with mode 0700, parents as the umask says. One that exists and is empty becomes 0700 too.

    A folder in which something lies already is the user's: its mode stays, what is written into it is private anyway.

    Raises:
        RunFolderError: it cannot be created, or is a symbolic link or a file.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if stat.S_ISDIR(folder.lstat().st_mode) and not any(folder.iterdir()):
            folder.chmod(0o700)
    except FileExistsError:
        pass  # reported below
    except OSError as error:
        raise RunFolderError(
            f"cannot be created: {error.strerror}", where=str(folder), hint="choose another with --output-dir"
        ) from None
    if folder.is_symlink() or not folder.is_dir():
        raise RunFolderError("is a symbolic link or a file, not a folder", where=str(folder))


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a whole file (mode 0600): temporary file, fsync, rename, fsync of the folder.

    Raises:
        RunFolderError: the disk is full or read-only, or the place is not writable.
    """
    content = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, _NEW, _PRIVATE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        system.sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise not_writable(path, error) from None


def create_text(path: Path) -> TextIO:
    """A new text file (mode 0600) to write to; one of that name is replaced, a link is not followed.

    Raises:
        RunFolderError: the place is not writable.
    """
    try:
        path.unlink(missing_ok=True)
        return os.fdopen(os.open(path, _NEW, _PRIVATE), "w", encoding="utf-8")
    except OSError as error:
        raise not_writable(path, error) from None


def not_writable(path: Path, error: OSError) -> RunFolderError:
    """User-facing error for a failed write into a run folder; earlier writes are kept."""
    return RunFolderError(
        f"cannot be written: {error.strerror}",
        where=str(path),
        hint="free some space or make it writable; continue a run that had begun with --resume",
    )


def sweep(folder: Path) -> None:
    """Remove temporary files of a process that died while it wrote. Only the owner of the folder's lock may."""
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):
            path.unlink()
