"""Writes the expected outputs again, after a change that was meant: python -m tests.golden [NAME...].

The diff shows what users will see. In a conflict take either side and run it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.golden.replay import NAMES, keep, unpacked

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or NAMES:
            keep(name, unpacked(name, Path(folder)))
            print(name)
