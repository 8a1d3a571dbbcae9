"""The largest memory of this process alone.

`ru_maxrss` of a new process starts at what its parent had when it forked; the kernel's own mark starts anew.
"""

from __future__ import annotations

import re
from pathlib import Path


def peak_mib() -> float:
    """High-water mark of the resident memory since this program began, in MiB. Linux."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return int(found[1]) / 1024
