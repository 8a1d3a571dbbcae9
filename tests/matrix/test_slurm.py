"""Cells by a real slurmctld and slurmd on this machine (`make slurm`), as `matrix run --engine slurm --submit` hands
them in. The stand-ins of Slurm's commands are in test_engines.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from evalkit.data import demo_path
from evalkit.matrix.outcome import DECIDED
from evalkit.reference import ReferenceProcess, preset
from tests.matrix.test_ray import free_port
from tests.support.matrix import launching, processes, waited_for
from tests.support.small_run import MODEL, write_inputs

SBIN = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
MISSING = [
    one for one in ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "munged") if not shutil.which(one, path=SBIN)
]
MODES = ("autoregressive", "self-speculation")

pytestmark = [
    pytest.mark.tools,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(MISSING), reason=f"Slurm is not set up (no {', '.join(MISSING)}): make slurm"),
]

CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={other}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Cluster:
    """A controller and one node, which is this machine. `env`: for commands that use it."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.folder = folder
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "slurm.conf").write_text(CONFIGURATION.format(
            host=os.uname().nodename.partition(".")[0], port=free_port(), other=free_port(), folder=folder,
            user=subprocess.check_output(["id", "-un"], text=True).strip(), cpus=os.cpu_count(),
        ))  # fmt: skip
        (folder / "munge.key").write_bytes(os.urandom(1024))
        (folder / "munge.key").chmod(0o600)
        path = f"{Path(sys.executable).parent}{os.pathsep}{SBIN}"
        # a machine of its own: it waits for no other run
        self.env = {**os.environ, "PATH": path, "SLURM_CONF": str(folder / "slurm.conf"), "TMPDIR": str(folder)}
        files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid", "seed-file": "seed"}
        self._start(
            stack, "munged", "--foreground", "--force", *(f"--{key}={folder / one}" for key, one in files.items())
        )
        assert waited_for((folder / "munge.socket").exists, 30), self.said("munged")
        for name in ("slurmctld", "slurmd"):
            self._start(stack, name, "-D")
        assert waited_for(lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%T", check=False), 120), (
            self.said("slurmctld") + self.said("slurmd")
        )

    def _start(self, stack: ExitStack, name: str, *words: str) -> None:
        log = stack.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen([name, *words], env=self.env, stdout=log, stderr=log, start_new_session=True)
        stack.callback(process.wait, 60)
        stack.callback(process.terminate)

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def ask(self, *words: str, check: bool = True) -> str:
        return subprocess.run(words, env=self.env, capture_output=True, text=True, check=check, timeout=60).stdout

    def matrix(self, *words: object) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "evalkit", "matrix", *map(str, words)]
        return subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False, timeout=120)

    def jobs(self) -> list[str]:
        """Tasks of arrays that Slurm has still to do or to end."""
        return self.ask("squeue", "--noheader", "--array", "--format=%i").split()

    def over(self) -> bool:
        return waited_for(lambda: not self.jobs(), 600)


@pytest.fixture
def cluster(tmp_path_factory):
    with ExitStack() as stack:
        yield Cluster(stack, tmp_path_factory.mktemp("slurm"))


def write_matrix(folder, engines, **more):
    write_inputs(folder, {mode: {} for mode in MODES})
    path = folder / "matrix.yaml"
    path.write_text(yaml.safe_dump({
        "name": "on Slurm", "base": "checklist.yaml", "axes": {
            "variants": [{"model": str(demo_path("trident-8b")), "name": "trident"}],
            "engines": [{"name": name, "modes": modes} for name, modes in engines.items()],
            "hardware": [{"name": "here", "card": "cpu", "sbatch": ["--partition=main"]}],
        }, **more,
    }))  # fmt: skip
    return path


def statuses(cluster, out):
    cluster.matrix("report", out)
    cells = json.loads((out / "matrix-report.json").read_text(encoding="utf-8"))["cells"]
    return {one["engine"]: one["status"] for one in cells}


def journal(out, engine):
    return out / "cells" / f"trident--{engine}--here--bf16" / "run" / "journal.jsonl"


def timed(out, engine):
    return journal(out, engine).is_file() and b'"timed"' in journal(out, engine).read_bytes()


def test_an_array_runs_its_cells_is_cancelled_and_goes_on(cluster, tmp_path):
    """Of four cells one works, one has no server, one is cancelled while it is timed, and one while it waits."""
    own = launching(tmp_path)
    down = {mode: {"endpoint": f"http://127.0.0.1:{free_port()}"} for mode in MODES}
    out = tmp_path / "out"
    with ExitStack() as stack:
        up = {
            mode: {"endpoint": stack.enter_context(ReferenceProcess(preset(mode, speed=12.0, model=MODEL))).base_url}
            for mode in MODES
        }
        path = write_matrix(tmp_path, {"up": up, "down": down, "own": own, "waits": own})
        words = ("run", path, "--output-dir", out, "--engine", "slurm", "--submit")
        done = cluster.matrix(*words)
        assert done.returncode == 3, done.stderr  # handed in, none is decided yet
        handed_in = json.loads((out / "slurm.json").read_text())
        assert len(cluster.jobs()) == 4
        cluster.matrix(*words, "--resume")  # Slurm has them: they are not handed in twice
        assert json.loads((out / "slurm.json").read_text()) == handed_in
        assert waited_for(lambda: timed(out, "own"), 600), done.stderr
        cluster.ask("scancel", next(iter(handed_in.values())).partition("_")[0])
        assert cluster.over()
    assert not processes(tmp_path / "slow.py")
    found = statuses(cluster, out)
    assert found.pop("up") in DECIDED
    assert found == {"down": "not-measured", "own": "interrupted", "waits": "not-run"}
    before = {name: journal(out, name).read_bytes() for name in ("up", "own")}
    done = cluster.matrix(*words, "--resume")
    assert len(cluster.jobs()) == 3, done.stderr
    assert cluster.over()
    found = statuses(cluster, out)
    assert found.pop("down") == "not-measured"
    assert set(found.values()) <= set(DECIDED)
    assert journal(out, "up").read_bytes() == before["up"]
    whole = journal(out, "own").read_bytes()
    assert whole.startswith(before["own"])
    assert len(whole) > len(before["own"])


def test_a_cell_that_takes_longer_than_its_time_is_timed_out_and_leaves_no_server(cluster, tmp_path):
    hangs = {
        mode: {"launch": [sys.executable, "-c", f"# {tmp_path}\nimport time; time.sleep(600)", "{port}"]}
        for mode in MODES
    }
    out = tmp_path / "out"
    path = write_matrix(tmp_path, {"hangs": hangs}, cell_minutes=1)
    cluster.matrix("run", path, "--output-dir", out, "--engine", "slurm", "--submit")
    assert cluster.over()
    assert not processes(tmp_path)
    assert statuses(cluster, out) == {"hangs": "timed-out"}
