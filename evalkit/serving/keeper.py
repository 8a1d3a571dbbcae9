"""Keeps one launched server and ends it, whatever happens to evalkit: run as a script with the standard library.

`keeper.py GRACE_S MARK -- ARGV`: starts ARGV in its own session; when stdin closes (evalkit stopped it, or died)
it sends TERM to the group, then KILL to everything that carries the mark in its environment. Exits as ARGV did.
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
_PR_SET_PDEATHSIG = 1


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


def signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue  # gone already


def end_all(mark: str, grace_s: float) -> bool:
    """TERM, then KILL after the grace; True when nothing with the mark is left."""
    signal_all(marked(mark), signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline:
        reap()
        if not marked(mark):
            return True
        time.sleep(0.05)
    deadline = time.monotonic() + 5
    while (left := marked(mark)) and time.monotonic() < deadline:
        signal_all(left, signal.SIGKILL)
        time.sleep(0.05)
        reap()
    return not marked(mark)


def reap() -> None:
    """Collects ended children that nobody else waits for."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _die_with_parent() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    grace_s, mark, argv = float(sys.argv[1]), sys.argv[2], sys.argv[4:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
        if code is not None:
            # a command that hands over to a container or a batch system ends at once, and well
            if code != 0:
                end_all(mark, 1.0)
            return code if code >= 0 else 128 - code
        if 0 in ready and not os.read(0, 4096):
            break
    end_all(mark, grace_s)
    return 143


if __name__ == "__main__":
    sys.exit(main())
