"""A matrix of two cells against reference servers: one works, one fails, and --resume runs what is missing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
import yaml

from evalkit.data import demo_path
from evalkit.reference import ReferenceProcess, preset
from tests.cli.command import evalkit
from tests.support.small_run import MODEL, write_inputs

#: a busy machine may leave a claim undecided: that is a verdict as well
SETTLED = {"go", "inconclusive"}
MODES = ("autoregressive", "self-speculation")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def write_matrix(folder, engines):
    write_inputs(folder, {mode: {} for mode in MODES}, again=0)
    path = folder / "matrix.yaml"
    path.write_text(yaml.safe_dump({
        "name": "two cells", "base": "checklist.yaml",
        "axes": {
            "variants": [{"model": str(demo_path("trident-8b")), "name": "trident"}],
            "engines": [
                {"name": name, "modes": {mode: {"endpoint": url} for mode, url in zip(MODES, urls, strict=True)}}
                for name, urls in engines.items()
            ],
            "hardware": [{"name": "h100", "card": "H100-80GB", "usd_per_gpu_hour": 2.0}],
        },
    }))  # fmt: skip
    return path


def report_of(out):
    return json.loads((out / "matrix-report.json").read_text(encoding="utf-8"))


def statuses(out):
    return {one["engine"]: one["status"] for one in report_of(out)["cells"]}


def interrupted(path, out, cell):
    """A matrix in a process of its own, asked to end while `cell` is timed; its exit code."""
    # behind the one who watches it
    words = ["nice", "-n", "5", sys.executable, "-m", "evalkit", "matrix", "run", str(path), "--output-dir", str(out)]
    env = {**os.environ, "TMPDIR": str(out.parent)}  # a machine of its own: it waits for nobody
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env) as process:
        journal = out / "cells" / cell / "run" / "journal.jsonl"
        deadline = time.monotonic() + 240
        while not (journal.is_file() and b'"timed"' in journal.read_bytes()) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        return process.wait(180)


def gated_and_compared(capsys, out):
    """Gate says of a matrix what its report says, while its runs are young; compare takes its cells."""
    report = report_of(out)
    young = evalkit(capsys, "gate", out, "--json")
    assert young.code == report["exit_code"] == json.loads(young.out)["exit_code"]
    assert evalkit(capsys, "gate", out, "--max-age", "0m").code == 3
    assert evalkit(capsys, "gate", out, "--revision", "abc").code == 2  # a question about one run
    compared = evalkit(capsys, "compare", out, "--json")
    assert compared.code in (0, 3)
    assert len(json.loads(compared.out)["runs"]) == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_matrix_that_is_ended_goes_on_and_a_cell_that_fails_has_failed(tmp_path, capsys):
    later = [free_port(), free_port()]
    with ExitStack() as stack:
        up = [stack.enter_context(ReferenceProcess(preset(m, speed=12.0, model=MODEL))).base_url for m in MODES]
        path = write_matrix(tmp_path, {"up": up, "down": [f"http://127.0.0.1:{port}" for port in later]})
        out, cell = tmp_path / "out", "trident--up--h100--bf16"
        journal = out / "cells" / cell / "run" / "journal.jsonl"

        assert interrupted(path, out, cell) == 130
        assert evalkit(capsys, "matrix", "report", out).code == 3
        assert statuses(out) == {"up": "interrupted", "down": "not-run"}
        begun = journal.read_bytes()
        assert evalkit(capsys, "matrix", "run", path, "--output-dir", out).code == 2  # results, and no --resume

        done = evalkit(capsys, "matrix", "run", path, "--output-dir", out, "--resume")
        found = statuses(out)
        assert found["up"] in SETTLED
        assert found["down"] == "not-measured"
        assert done.code == (0 if found["up"] == "go" else 3)
        assert (report_of(out)["take"] is not None) == (found["up"] == "go")
        whole = journal.read_bytes()
        assert whole.startswith(begun)

        for mode, port in zip(MODES, later, strict=True):
            stack.enter_context(ReferenceProcess(preset(mode, speed=12.0, model=MODEL), port=port))
        assert evalkit(capsys, "matrix", "run", path, "--output-dir", out, "--resume").code in (0, 3)
        assert set(statuses(out).values()) <= SETTLED
        assert journal.read_bytes() == whole
        assert report_of(out)["homogeneity"][0]["df"] == 1
        gated_and_compared(capsys, out)

        # a run by hand has no account of an engine: its journal counts, unless its plan is another
        (out / "cells" / cell / "ended.json").unlink()
        before = statuses(out)
        evalkit(capsys, "matrix", "report", out)
        assert statuses(out) == before
        frozen = out / "cells" / cell / "run" / "plan.json"
        frozen.write_text(frozen.read_text(encoding="utf-8").replace("p00", "p01"), encoding="utf-8")
        evalkit(capsys, "matrix", "report", out)
        assert statuses(out)["up"] == "other-plan"
