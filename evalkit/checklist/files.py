"""Reading a user's input files: regular, capped, UTF-8, under their root."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from evalkit import system
from evalkit.errors import InputFileError
from evalkit.text import one_line

_READ: ContextVar[list[Path] | None] = ContextVar("files that were read", default=None)


@contextmanager
def recorded() -> Iterator[list[Path]]:
    """The input files that are read in this block, by their absolute paths: what another machine needs to read them."""
    paths: list[Path] = []
    before = _READ.set(paths)
    try:
        yield paths
    finally:
        _READ.reset(before)


def was_read(path: Path) -> None:
    """Take down that an input file is read, where that is recorded. Links are kept: another machine has none."""
    paths = _READ.get()
    if paths is not None:
        paths.append(Path(os.path.normpath(Path.cwd() / path)))


def read_bytes(path: Path, *, max_bytes: int) -> bytes:
    """The file's bytes. The size is checked on the open file, so it cannot change in between.

    Raises:
        InputFileError: missing, not a regular file, or larger than `max_bytes`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | system.NONBLOCK | system.BINARY)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        what = "is a folder, not a file" if stat.S_ISDIR(kind) else "is not a regular file"
        raise InputFileError(what, where=str(path))
    was_read(path)
    try:
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(data) > max_bytes:
        raise InputFileError(
            f"larger than {max_bytes // 1024} KiB", where=str(path), hint="split it into several files"
        )
    return data


def decode(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputFileError("not UTF-8 text", where=f"{path}:{line}", hint="save the file as UTF-8") from None


def sha256_of(data: bytes | str) -> str:
    """Hex digest of text (as UTF-8) or bytes."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def resolve(folder: Path, written: str, *, where: str | None = None) -> Path:
    """A path of a checklist or suite, resolved against its folder. `..` is the author's choice; a symlink is not.

    Raises:
        InputFileError: the path goes through a symbolic link that leaves the folder it is written in.
    """
    path = Path(written)
    joined = path if path.is_absolute() else Path(os.path.normpath(folder / path))
    try:
        if path.is_absolute() or ".." in path.parts or not joined.exists():
            return joined
        stays = joined.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError) as error:  # a name that is too long, or holds a NUL; links in a circle
        why = getattr(error, "strerror", None) or error
        raise InputFileError(f"{one_line(written, limit=80)} cannot be a file: {why}", where=where) from None
    if not stays:
        raise InputFileError(f"{written} is a symbolic link that leaves its folder", where=where or str(joined))
    return joined


def _unreadable(path: Path, error: OSError | ValueError) -> InputFileError:
    if isinstance(error, FileNotFoundError):
        return InputFileError("no such file", where=str(path))
    if isinstance(error, PermissionError):
        return InputFileError("may not be read (permission denied)", where=str(path))
    return InputFileError(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=str(path))
