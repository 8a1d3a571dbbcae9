"""A log of 2 GB is imported, and read as a trace that is replayed: seconds, CPU and peak memory. Goal: under 300 MB.

    python benchmarks/imports.py [GIGABYTES]

The file has chat requests of about 4 kB, one a line, and is made in the folder of temporary files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def write(path: Path, size: int) -> int:
    """Chat requests until the file has `size` bytes; their number."""
    words = "word " * 800
    count = 0
    with path.open("w") as file:
        while file.tell() < size:
            asked = [{"role": "user", "content": f"{count} {words}"}, {"role": "assistant", "content": "reply"}]
            row = {"timestamp": 10 * count, "model": "m", "messages": asked, "max_tokens": 64}
            file.write(json.dumps(row) + "\n")
            count += 1
    return count


def main() -> None:
    size = int(float(sys.argv[1] if len(sys.argv) > 1 else 2) * 1e9)
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "log.jsonl"
        count = write(source, size)
        print(f"{size / 1e9:g} GB, {count:,} requests")
        measure("imported", "-m", "evalkit", "import", str(source), "-o", f"{name}/out")
        strip(source)
        measure("read as a trace", "-c", _READ, str(source))


_READ = """
import sys
from pathlib import Path
from evalkit.checklist.load import LoadPoint
from evalkit.checklist.schema import Request
from evalkit.importers.timed import load_trace
trace = load_trace(Path(sys.argv[1]), LoadPoint(trace="t", speed=100.0), Request())
trace.request(len(trace.at) - 1)
"""


def strip(source: Path) -> None:
    """The same log as questions alone, as a trace has them."""
    rest = source.with_suffix(".trace")
    with source.open() as lines, rest.open("w") as out:
        for line in lines:
            row = json.loads(line)
            out.write(json.dumps({**row, "messages": row["messages"][:1]}) + "\n")
    rest.replace(source)


def measure(what: str, *words: str) -> None:
    begin = time.perf_counter()
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{what}: exit {process.returncode}")
    print(f"{what}: {time.perf_counter() - begin:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of CPU, "
          f"{used.ru_maxrss / 1024:.0f} MB", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
