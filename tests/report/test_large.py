"""A run of 5,000 requests renders within its limits; figures are printed with -s."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.quality_run import DECIDING, MODES, run_facts, timed
from tests.support.stored_run import write_run

pytestmark = pytest.mark.slow

FORMATS = ("markdown", "html", "github")
#: renders `argv[1]` in the formats behind it and tells its own CPU seconds and largest memory
CODE = """
import json, resource, sys
from pathlib import Path
from evalkit.report.formats import rendered
from evalkit.stored.again import document_of
from tests.support.memory import peak_mib
document = document_of(Path(sys.argv[1]))
sizes = {name: len(rendered(name, document).encode()) for name in sys.argv[2:]}
used = resource.getrusage(resource.RUSAGE_SELF)
json.dump({"bytes": sizes, "mib": peak_mib(), "cpu": used.ru_utime + used.ru_stime}, sys.stdout)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """5,000 requests: 1,200 scored replies (a third of the cases lost), 3,800 timed ones with 60 chunks each."""
    facts = run_facts(cases=150, prompts=2, faults=("special", "loop"))
    samples = [
        timed(mode, n, repeat, (500 + 9 * (n % 50)) / speed, f"answer {n} " * 20, chunks=60)
        for n in range(634)
        for repeat in range(2)
        for mode, speed in zip(MODES, (1.0, 1.6, 2.2), strict=True)
    ]
    facts = facts.model_copy(update={"timed": tuple(samples)})
    assert len(facts.timed) + len(facts.answers) >= 5_000
    return write_run(tmp_path_factory.mktemp("large") / "run", DECIDING, facts).path


def test_thousands_of_requests_render_within_limits(large: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(large), *FORMATS], capture_output=True, check=True, text=True, cwd=Path.cwd()
    )
    used = json.loads(done.stdout)
    print(f"{used['bytes']} bytes, {used['mib']:.0f} MiB, {used['cpu']:.1f} s of CPU")
    assert used["mib"] < 300
    assert all(size < (1024 * 1024 if name == "github" else 5_000_000) for name, size in used["bytes"].items())
