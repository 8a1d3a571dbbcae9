"""The emitter beside the client, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys


def test_an_emitter_that_nobody_reads_any_more_ends_in_silence():
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit.timing.emitter"], stdin=subprocess.PIPE, stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    os.close(reading)
    _, said = process.communicate(b"", timeout=60)
    assert said == b""
