"""CPU time and memory of `gate`, `report` and `pack` on a run of 50,000 records.

Run as `python -m benchmarks.load [RECORDS]`. Each command runs in a process of its own, whose start counts too. The
limits are 300 MB of resident memory and 15 s of CPU time for `gate` and `report`; the exit code is 1 beyond them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

from evalkit.stored.folder import RunFolder
from tests.support.quality_run import DECIDING, run_facts
from tests.support.stored_run import write_run

RECORDS = 50_000
MOST_MB, MOST_CPU_S = 300, 15
COMMANDS = (
    ("gate", "{run}"),
    ("report", "{run}", "--format", "markdown"),
    ("report", "{run}", "--format", "json"),
    ("report", "{run}", "--format", "html"),
    ("report", "{run}", "--format", "github"),
    ("pack", "{run}", "-o", "{pack}"),
    ("pack", "{run}", "-o", "{bare}", "--redact"),
    ("gate", "{pack}"),
    ("gate", "{bare}"),
    ("report", "{bare}", "--format", "github"),
)
#: runs evalkit and writes its CPU seconds and peak memory to the file named first
_CODE = """
import json, resource, sys
from pathlib import Path
place = sys.argv.pop(1)
from evalkit.cli.errors import guarded
from evalkit.cli.root import app, register
register()
code = guarded(lambda: app(sys.argv[1:], standalone_mode=False))
used = resource.getrusage(resource.RUSAGE_SELF)
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
Path(place).write_text(json.dumps({"code": code, "cpu_s": used.ru_utime + used.ru_stime, "mb": peak}))
"""


def large_run(folder: Path, records: int) -> RunFolder:
    """A finished run of about so many records: two suites, three modes, the baseline twice, some replies broken."""
    with patch.object(os, "fsync", lambda _descriptor: None):  # the disk's patience is not what is measured
        facts = run_facts(cases=records // 8, prompts=24, faults=("special", "loop"))
        return write_run(folder, DECIDING, facts)


def main() -> int:
    """Measure every command; 1 when one of them is beyond a limit."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    beyond = False
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        run = large_run(root / "run", records)
        with run.journal.open("rb") as file:
            lines = sum(1 for _ in file)
        print(f"{lines:,} records, {run.journal.stat().st_size / 1e6:.0f} MB")
        names = {"run": str(run.path), "pack": str(root / "run.pack"), "bare": str(root / "bare.pack")}
        for command in COMMANDS:
            argv = [word.format(**names) for word in command]
            told = root / "told.json"
            subprocess.run([sys.executable, "-c", _CODE, str(told), *argv], stdout=subprocess.DEVNULL, check=True)
            used = json.loads(told.read_text())
            over = used["mb"] > MOST_MB or used["cpu_s"] > MOST_CPU_S
            beyond |= over
            shown = " ".join(Path(word).name if word.startswith("/") else word for word in argv)
            figures = f"{used['cpu_s']:5.1f} s of CPU  {used['mb']:5.0f} MB"
            print(f"{shown:44} exit {used['code']}  {figures}{'  OVER' if over else ''}")
    return int(beyond)


if __name__ == "__main__":
    sys.exit(main())
