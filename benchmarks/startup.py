"""CPU time of `evalkit --help` beside bare Python: python benchmarks/startup.py"""

from __future__ import annotations

import resource
import subprocess
import sys


def cpu(argv):
    best = float("inf")
    for _ in range(9):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(argv, check=False, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best * 1000


def main():
    rows = {
        "python -c pass": ["-c", "pass"],
        "import typer": ["-c", "import typer"],
        "evalkit --help": ["-m", "evalkit", "--help"],
    }
    base = None
    print("| command | CPU ms (lowest of 9) | ratio |")
    print("| --- | ---: | ---: |")
    for name, argv in rows.items():
        ms = cpu([sys.executable, *argv])
        base = base or ms
        print(f"| {name} | {ms:.0f} | {ms / base:.1f}x |")


if __name__ == "__main__":
    main()
