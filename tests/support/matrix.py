"""A cell of a matrix, without the file that it comes from."""

from __future__ import annotations

import os
import sys
import time

import psutil

from evalkit.matrix.plan import Cell


def cell(name="a", **changes):
    return Cell(**{
        "id": name, "variant": "v", "engine": "e", "hardware": "kind", "card": "cpu", "precision": "bf16", "load": None,
        "plan_sha256": "1" * 64, "checklist_sha256": "2" * 64, "requests_sha256": "5" * 64, "minutes": 3, "usd": None, "usd_per_gpu_hour": None,
        "gpus": 0, "most_minutes": 36.0, "launches": False, **changes,
    })  # fmt: skip


#: what takes six seconds to end after TERM, as a real engine does, and leaves its server to whoever ends it
SLOW_SERVER = """
import signal, subprocess, sys, time
server = subprocess.Popen([sys.executable, "-m", "evalkit", "reference-server", "--mode", sys.argv[1], "--port", sys.argv[2],
    "--set", "speed=12", "--set", "model=acme-labs/Trident-8B"], start_new_session=True)
def end(*_):
    time.sleep(6)
    server.terminate()
    server.wait()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
sys.exit(server.wait())
"""


def processes(marker):
    """Processes with `marker` in their command line, this one and zombies left out."""
    found = []
    for one in psutil.process_iter(["pid", "cmdline", "status"]):
        words = one.info["cmdline"] or ()
        if (
            one.pid != os.getpid()
            and one.info["status"] != psutil.STATUS_ZOMBIE
            and any(str(marker) in w for w in words)
        ):
            found.append(one)
    return found


def waited_for(holds, seconds=60):
    """Whether `holds()` came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return False


def launching(folder, python=sys.executable):
    """Modes whose servers are started by `slow.py` in `folder`."""
    (folder / "slow.py").write_text(SLOW_SERVER, encoding="utf-8")
    return {
        mode: {"launch": [str(python), str(folder / "slow.py"), mode, "{port}"]}
        for mode in ("autoregressive", "self-speculation")
    }
