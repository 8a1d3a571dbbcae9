"""What differs between operating systems: opening files, locks, limits, load, and the signals that end a run.

Linux has all of it. On macOS and Windows evalkit is a client: it measures servers that are reached over the network.
What needs Linux (launching servers, running code from replies, reading processes) says so.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

#: flags of `os.open` that a system may lack; a check after opening, where there is one, is the caller's
NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
CLOEXEC: int = getattr(os, "O_CLOEXEC", 0)
BINARY: int = getattr(os, "O_BINARY", 0)
_DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)
#: the byte that Windows locks, far behind what the file holds: a locked byte cannot be read there
_FAR = 1 << 30


def linux() -> bool:
    """Whether this is Linux (WSL included)."""
    return sys.platform.startswith("linux")


def has_uvloop() -> bool:
    """Whether uvloop is made for this Python and system: the marker of the extra `fast`."""
    return sys.implementation.name == "cpython" and sys.platform != "win32"


def lock(descriptor: int) -> bool:
    """Take an exclusive lock that a dead process does not keep; False when another process has it.

    Raises:
        OSError: the file system or the system has no locks.
    """
    try:
        import fcntl
    except ImportError:
        return _lock_byte(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_byte(descriptor: int) -> bool:
    try:
        msvcrt: Any = importlib.import_module("msvcrt")  # Windows
    except ImportError:
        raise OSError("no locks on this system") from None
    os.lseek(descriptor, _FAR, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except PermissionError:
        return False
    return True


def read_start(descriptor: int, most: int) -> bytes:
    """Up to `most` bytes from the beginning of a file."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, most, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, most)


def write_start(descriptor: int, data: bytes) -> None:
    """Write `data` at the beginning of a file."""
    if hasattr(os, "pwrite"):
        os.pwrite(descriptor, data, 0)
        return
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, data)


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in `folder` durable; where folders cannot be opened, that is the system's work."""
    if not _DIRECTORY:
        return
    descriptor = os.open(folder, os.O_RDONLY | _DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_files() -> int | None:
    """How many files this process may have open; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def most_files() -> int:
    """Files that this process may have open, after raising its limit as far as it may; 1024 where nothing is known."""
    try:
        import resource
    except ImportError:
        return 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return soft
    return wanted


#: more are not asked for
_MOST_FILES = 32_768


def is_own(state: os.stat_result) -> bool:
    """Whether a file belongs to this user; where a system has no owners of this kind, True."""
    return not hasattr(os, "getuid") or state.st_uid == os.getuid()


def load_1m() -> float | None:
    """Load average of the last minute; None where there is none."""
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):
        return None


def usable_cores() -> int | None:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count()


def process_group(pid: int) -> int | None:
    """The process group of `pid`; None where there are none, or no such process."""
    try:
        return os.getpgid(pid)
    except (OSError, AttributeError):
        return None


def end_group(pid: int, *, hard: bool) -> bool:
    """Ask the process group of `pid` to end, or end it; False where there is none any more."""
    try:
        os.killpg(pid, signal.SIGKILL if hard else signal.SIGTERM)
    except (ProcessLookupError, PermissionError, AttributeError):
        return False
    return True


@contextmanager
def ended_by_term() -> Iterator[None]:
    """In this block SIGTERM, which schedulers send, ends the work as Ctrl-C does; further ones change nothing.

    The handler that was there comes back after the block. Only the main thread may set one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ended(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, ended)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
