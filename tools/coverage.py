"""Branch coverage of what a verdict rests on and of what keeps secrets and evidence: at least 90% each.

Only the tests of these modules run, so that a line which some long run happens to pass through does not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LEAST = 90.0
MODULES = (
    "evalkit/verdict/decide.py", "evalkit/verdict/waivers.py", "evalkit/stats", "evalkit/stored/journal.py",
    "evalkit/run/lock.py",
    "evalkit/files.py", "evalkit/text.py", "evalkit/secrets.py", "evalkit/serving/redaction.py",
    "evalkit/checklist/loader.py", "evalkit/checklist/yaml.py", "evalkit/checklist/files.py",
)  # fmt: skip
TESTS = (
    "tests/verdict", "tests/stats",
    "tests/run/test_journal.py", "tests/faults/test_redactor.py",
    "tests/run/test_lock.py", "tests/run/test_files.py", "tests/test_text.py", "tests/test_secrets.py",
    "tests/serving/test_redaction.py", "tests/checklist",
)  # fmt: skip


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        tests = [test for test in TESTS if Path(test).exists()]
        sources = [f"--cov={_module(name)}" for name in MODULES if Path(name).exists()]
        argv = [sys.executable, "-m", "pytest", "-q", "-n0", "-m", "not slow", "-p", "no:cacheprovider", *tests]
        argv += [*sources, "--cov-branch", f"--cov-report=json:{report}", "--cov-report="]
        done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, text=True)
        print(done.stdout.strip().splitlines()[-1])
        if done.returncode:
            print(done.stdout)
            return done.returncode
        files = json.loads(report.read_bytes())["files"]
    return judge(files)


def judge(files: dict[str, dict[str, object]]) -> int:
    """A line a module; 1 when one of them is below."""
    low = 0
    for name, found in sorted(files.items()):
        if name.endswith("__init__.py"):
            continue
        totals: dict[str, int] = found["summary"]  # type: ignore[assignment]
        branches, covered = totals["num_branches"], totals["covered_branches"]
        share = 100.0 * covered / branches if branches else 100.0
        bad = share < LEAST
        low += bad
        lines, gaps = float(totals["percent_covered"]), found["missing_branches"] if bad else ""
        print(f"{name:34} branches {covered:3}/{branches:3} {share:5.1f}%  all {lines:5.1f}%  {gaps}")
    print(f"{'BELOW' if low else 'at least'} {LEAST:g}% of the branches{f' in {low} modules' if low else ''}")
    return 1 if low else 0


def _module(name: str) -> str:
    return name.removesuffix(".py").replace("/", ".")


if __name__ == "__main__":
    sys.exit(main())
