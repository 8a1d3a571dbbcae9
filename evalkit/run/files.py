"""Writing into a run folder: private, atomic, never through a symbolic link."""

from __future__ import annotations

import os
from pathlib import Path

from evalkit.errors import RunFolderError


def make_private(folder: Path) -> None:
    """Create `folder` with mode 0700, parents as the umask says.

    Raises:
        RunFolderError: it cannot be created, or is a symbolic link or a file.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
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
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFolderError(f"cannot be written: {error.strerror}", where=str(path)) from None


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
