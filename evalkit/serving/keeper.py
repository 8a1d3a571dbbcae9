"""Keeps one launched process and ends all that came of it, whatever happens to evalkit: a script.

`keeper.py GRACE_S MARK -- ARGV`: starts ARGV in its own session; when stdin closes (evalkit stopped it, or died) it
sends TERM, then KILL, to everything that descends from it or carries the mark in its environment. On Linux orphans
become its children, so that a new session, an empty environment or two forks hide nothing. Exits as ARGV did; where
ARGV ends well and leaves processes behind (a daemon), it stays for as long as they do.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

MARK = "EVALKIT_LAUNCH"
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36


def marked(mark: str) -> list[int]:
    """Processes of this user with the mark in their environment, this one left out (Linux)."""
    needle = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if needle in environment and state != "Z":
            found.append(int(entry.name))
    return found


def descendants(root: int) -> list[int]:
    """Processes that come of `root`, ended ones left out (Linux)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(entry.name))
    found: list[int] = []
    left = [root]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue  # gone already


def end_all(mark: str, grace_s: float, *, ours: bool = False) -> bool:
    """TERM, then KILL after the grace, for all with the mark; with `ours` for all that come of this process too.

    True when nothing is left.
    """
    root = os.getpid() if ours else None

    def theirs() -> list[int]:
        return sorted({*marked(mark), *(descendants(root) if root else ())})

    def nothing_left() -> bool:
        return (not ours or childless()) and not theirs()

    if grace_s > 0:
        signal_all(theirs(), signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline:
        if nothing_left():
            return True
        time.sleep(0.05)
    deadline = time.monotonic() + 5
    while not nothing_left() and time.monotonic() < deadline:
        signal_all(theirs(), signal.SIGKILL)
        time.sleep(0.01)
    return nothing_left()


def childless() -> bool:
    """Whether this process has no children left; collects those that have ended.

    The kernel answers. Where orphans become children that is exact, while a list of /proc misses a process that was
    forked while its parent exited.
    """
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def reap_adopted(child: int) -> None:
    """Collects ended children but `child`, whose status is still wanted."""
    try:
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid != child:
            os.waitpid(ended.si_pid, os.WNOHANG)
    except ChildProcessError:
        pass


def _prctl(option: int, value: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    grace_s, mark, argv = float(sys.argv[1]), sys.argv[2], sys.argv[4:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_DUMPABLE, 0)  # what it starts may be a model's code, of the same user: it writes no memory here
    wake_r, wake_w = os.pipe()
    os.set_blocking(wake_w, False)
    signal.set_wakeup_fd(wake_w)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: os.close(0))
    try:
        child = subprocess.Popen(  # noqa: S603  the checklist's own launch command
            argv,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            close_fds=False,  # what evalkit passed on is meant for it
            env={**os.environ, MARK: mark},
            preexec_fn=_die_with_parent,  # noqa: PLW1509  this process has one thread
        )
    except OSError as error:
        print(f"cannot start {argv[0]}: {error.strerror}", flush=True)  # noqa: T201  the log
        return 127
    while True:
        try:
            ready = select.select([0, wake_r], [], [], 5)[0]
        except (OSError, ValueError):
            break
        if wake_r in ready:
            os.read(wake_r, 4096)
        code = child.poll()
        if code is None:
            reap_adopted(child.pid)
        else:
            # a command that hands over to a container or a batch system ends at once, and well
            if code != 0:
                end_all(mark, min(grace_s, 1.0), ours=True)
            if code != 0 or childless():
                return code if code >= 0 else 128 - code
        if 0 in ready and not os.read(0, 4096):
            break
    end_all(mark, grace_s, ours=True)
    return 143


if __name__ == "__main__":
    sys.exit(main())
