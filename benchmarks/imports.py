"""A log of 2 GB is imported: seconds, CPU seconds and peak memory. Goal: under 300 MB.

    python benchmarks/imports.py [GIGABYTES]

The file has chat requests of about 4 kB, one a line, and is made in the folder of temporary files.
"""

from __future__ import annotations

import json
import resource
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
            file.write(json.dumps({"model": "m", "messages": asked, "max_tokens": 64}) + "\n")
            count += 1
    return count


def main() -> None:
    size = int(float(sys.argv[1] if len(sys.argv) > 1 else 2) * 1e9)
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "log.jsonl"
        count = write(source, size)
        begin = time.perf_counter()
        words = [sys.executable, "-m", "evalkit", "import", str(source), "-o", f"{name}/out"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - begin
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"{size / 1e9:g} GB, {count:,} requests: {seconds:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of CPU, "
            f"{used.ru_maxrss / 1024:.0f} MB"
        )


if __name__ == "__main__":
    main()
