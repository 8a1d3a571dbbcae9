"""Cells on a real Ray cluster of three nodes on this machine (`make ray`), against reference servers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import yaml

from evalkit.data import demo_path
from evalkit.matrix.outcome import DECIDED
from evalkit.matrix.plan import read
from evalkit.reference import ReferenceProcess, preset
from tests.support.matrix import launching, processes, waited_for
from tests.support.small_run import MODEL, servers, suite_text, write_inputs

ROOT = Path(__file__).parents[2]
HOME = Path(os.environ.get("EVALKIT_RAY_HOME", Path.home() / ".cache" / "evalkit-ray"))
PYTHON = HOME / "bin" / "python"
KEY = "sk-onlyonthenodes1234567890"

pytestmark = [
    pytest.mark.tools,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not list(HOME.glob(".[0-9a-f]*")), reason="Ray is not set up: make ray"),
]


def environment(**more):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    return {**kept, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", **more}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Cluster:
    """A head and two more nodes, each with a label of its own; node c says that it has a GPU."""

    def __init__(self, stack, folder):
        self.address = f"127.0.0.1:{free_port()}"
        self.folder, self.nodes = folder, {}
        port = self.address.rpartition(":")[2]
        self._start(stack, "a", "--head", f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false")
        self._up("a")
        for name, more in (("b", ()), ("c", ("--num-gpus=1",))):
            self._start(stack, name, f"--address={self.address}", *more)
            self._up(name)

    def _up(self, name):
        said = (self.folder / f"{name}.log").read_text
        assert waited_for(lambda: name in self._labels(), 180), said(errors="replace")

    def _start(self, stack, name, *words):
        argv = [HOME / "bin" / "ray", "start", "--block", "--num-cpus=1", "--object-store-memory=80000000",
                "--disable-usage-stats", "--labels", f"kind={name}", *words]  # fmt: skip
        log = stack.enter_context((self.folder / f"{name}.log").open("wb"))
        env = environment(NODE_KEY=KEY)
        self.nodes[name] = subprocess.Popen(argv, env=env, stdout=log, stderr=log, start_new_session=True)
        stack.callback(self.stop, name)

    def _labels(self):
        code = (
            "import ray; ray.init(log_to_driver=False, logging_level='error');"
            "print(*[one['Labels'].get('kind') for one in ray.nodes() if one['Alive']])"
        )
        env = environment(RAY_ADDRESS=self.address)
        done = subprocess.run([PYTHON, "-c", code], env=env, capture_output=True, text=True, check=False)
        return set(done.stdout.split())

    def stop(self, name):
        """kill -9 of all that the node is made of."""
        process = self.nodes[name]
        family = [process, *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        for one in family:
            try:
                os.kill(one.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait(30)


@pytest.fixture
def cluster():
    with ExitStack() as stack:
        # Ray's sockets need a short path
        path = stack.enter_context(tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True))
        yield Cluster(stack, Path(path))


def write_matrix(folder, engines, hardware, **more):
    path = folder / "matrix.yaml"
    path.write_text(yaml.safe_dump({
        "name": "on Ray", "base": "checklist.yaml", "axes": {
            "variants": [{"model": str(demo_path("trident-8b")), "name": "trident"}],
            "engines": [{"name": name, "modes": modes} for name, modes in engines.items()], "hardware": hardware,
        }, **more,
    }))  # fmt: skip
    return path


def kind(name, card="cpu", label=None):
    return {"name": name, "card": card, "usd_per_gpu_hour": 2.0, "ray": {"labels": {"kind": label or name}}}


@contextmanager
def driver(cluster, path, out, engine="ray", *words, **env):
    """`evalkit matrix run` as a process of its own."""
    argv = [PYTHON, "-m", "evalkit", "matrix", "run", path, "--output-dir", out, "--engine", engine, *words]
    log = (path.parent / "driver.log").open("ab")
    env = environment(RAY_ADDRESS=cluster.address, **env)
    with log, subprocess.Popen(argv, env=env, stdout=log, stderr=log, cwd=path.parent) as process:
        try:
            yield process
        finally:
            process.kill()


def ran(*arguments, **env):
    with driver(*arguments, **env) as process:
        return process.wait(1000)


def report_of(out):
    return {one["id"]: one for one in json.loads((out / "matrix-report.json").read_text(encoding="utf-8"))["cells"]}


def test_cells_are_those_of_local_and_no_key_is_in_what_the_driver_has(cluster, tmp_path):
    """Three kinds of machine; the key is on the nodes alone."""
    kinds = [kind("a"), kind("b"), kind("c")]
    stack = ExitStack()
    up = {
        f"e{one['name']}": {
            mode: {
                "endpoint": stack.enter_context(
                    ReferenceProcess(preset(mode, speed=12.0, model=MODEL, api_key=KEY))
                ).base_url,
                "api_key_env": "NODE_KEY",
            }
            for mode in ("autoregressive", "self-speculation")
        }
        for one in kinds
    }
    write_inputs(tmp_path, {mode: {} for mode in up["ea"]})
    apart = [
        {"engine": engine, "hardware": one["name"]} for engine in up for one in kinds if engine != f"e{one['name']}"
    ]
    path = write_matrix(tmp_path, up, kinds, exclude=apart)
    near, far = tmp_path / "near", tmp_path / "far"
    with stack:
        codes = {ran(cluster, path, far), ran(cluster, path, near, "local", NODE_KEY=KEY)}
    assert {cell.id: cell.plan_sha256 for cell in read(near).cells} == {c.id: c.plan_sha256 for c in read(far).cells}
    here, there = report_of(near), report_of(far)
    assert {one["status"] for one in (*here.values(), *there.values())} <= set(DECIDED)
    assert {name: one["status"] for name, one in here.items()} == {name: one["status"] for name, one in there.items()}
    assert len(codes) == 1
    for name, one in here.items():
        print(name, one["status"], one["ratio"], one["low"], one["high"], there[name]["ratio"], there[name]["low"])
        if not crowded(near, name) and not crowded(far, name):
            assert one["low"] <= there[name]["high"]
            assert there[name]["low"] <= one["high"]
    texts = [one for place in (far, cluster.folder) for one in place.rglob("*") if one.is_file()]
    assert not [one for one in texts if KEY.encode() in one.read_bytes()]


def crowded(out, cell):
    """Whether the run says that other work used its machine: its interval then claims nothing."""
    document = json.loads((out / "cells" / cell / "run" / "report.json").read_text(encoding="utf-8"))
    found = (one for item in document["items"] for one in item["findings"] if one["id"] == "modes.witness")
    return any(one["outcome"] == "crowded" for one in found)


def timed(out, cell):
    journal = out / "cells" / cell / "run" / "journal.jsonl"
    return journal.is_file() and b'"timed"' in journal.read_bytes()


def test_a_driver_that_is_killed_leaves_no_server_and_its_cell_goes_on(cluster, tmp_path):
    modes = launching(tmp_path, PYTHON)
    write_inputs(tmp_path, {mode: {} for mode in modes})
    path = write_matrix(tmp_path, {"own": modes}, [kind("b")])
    out, cell = tmp_path / "out", "trident--own--b--bf16"
    with driver(cluster, path, out) as process:
        assert waited_for(lambda: timed(out, cell), 120)
        process.kill()
    assert waited_for(lambda: not processes(tmp_path / "slow.py"))
    begun = (out / "cells" / cell / "run" / "journal.jsonl").read_bytes()
    assert ran(cluster, path, out) == 2  # results, and no --resume
    ran(cluster, path, out, "ray", "--resume")
    assert report_of(out)[cell]["status"] in DECIDED
    whole = (out / "cells" / cell / "run" / "journal.jsonl").read_bytes()
    assert whole.startswith(begun[: begun.rindex(b"\n") + 1])
    assert len(whole) > len(begun)


@pytest.mark.parametrize("how", ["worker", "node", "term"])
def test_what_dies_in_the_middle_is_lost_and_leaves_no_server(cluster, tmp_path, how):
    modes = launching(tmp_path, PYTHON)
    write_inputs(tmp_path, {mode: {} for mode in modes})
    more = {"waits": modes} if how == "node" else {}  # for the same node
    path = write_matrix(tmp_path, {"own": modes, **more}, [kind("b")])
    out, cell = tmp_path / "out", "trident--own--b--bf16"
    with driver(cluster, path, out) as process:
        assert waited_for(lambda: timed(out, cell), 120)
        servers_ = processes(tmp_path / "slow.py")
        if how == "worker":
            run = next(one for one in processes("evalkit-cell-") if "keeper.py" in " ".join(one.cmdline()))
            os.kill(run.ppid(), signal.SIGKILL)
        elif how == "node":
            cluster.stop("b")
        else:
            process.terminate()
        assert process.wait(300) == (130 if how == "term" else 3)
    assert servers_
    assert waited_for(lambda: not processes(tmp_path / "slow.py"))
    subprocess.run(
        [PYTHON, "-m", "evalkit", "matrix", "report", out], env=environment(), check=False, capture_output=True
    )
    found = {one["engine"]: one["status"] for one in report_of(out).values()}
    assert found.pop("own") == ("interrupted" if how == "term" else "lost")
    assert found == ({"waits": "not-run"} if how == "node" else {})


#: kill -9 of what runs the cell: the first process above that is a worker of Ray
SUICIDE = """
import os, signal, psutil
worker = next(one for one in psutil.Process().parents() if one.name().startswith("ray::"))
os.kill(worker.pid, signal.SIGKILL)
"""
MEMORY = "print('torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB'); raise SystemExit(1)"


def test_of_twenty_cells_six_fail_each_in_its_own_way(cluster, tmp_path):
    def launch(code):
        return {
            mode: {"launch": [str(PYTHON), "-c", code, "{port}"]} for mode in ("autoregressive", "self-speculation")
        }

    gone = free_port()
    with servers() as up:
        write_inputs(tmp_path, {mode: {} for mode in up})
        (tmp_path / "suite.yaml").write_text(suite_text(cases=16), encoding="utf-8")
        lines = (tmp_path / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
        (tmp_path / "prompts.jsonl").write_text("\n".join(lines[:8]), encoding="utf-8")
        good = {f"up{number:02}": up for number in range(14)}
        bad = {
            "down": {mode: {"endpoint": f"http://127.0.0.1:{gone}"} for mode in up},
            "memory": launch(MEMORY),
            "hangs": launch("import time; time.sleep(600)"),
            "killed": launch(SUICIDE),
        }
        path = write_matrix(
            tmp_path, {**good, **bad}, [kind("a")], cell_minutes=2.5,
        )  # fmt: skip
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        document["axes"]["hardware"] += [kind("gpu", "H100-80GB", "c"), kind("nowhere", label="z")]
        document["exclude"] = [
            {"hardware": name, "engine": engine} for name in ("gpu", "nowhere") for engine in (*good, *bad)
        ]
        document["include"] = [
            {"variant": "trident", "engine": "hangs", "hardware": "gpu"},
            {"variant": "trident", "engine": "hangs", "hardware": "nowhere"},
        ]
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        out = tmp_path / "out"
        assert ran(cluster, path, out) in (0, 3)
    found = report_of(out)
    assert len(found) == 20
    failed = {
        f"{one['engine']}-{one['hardware']}": one["status"] for one in found.values() if one["status"] not in DECIDED
    }
    assert failed == {
        "down-a": "not-measured", "memory-a": "out-of-memory", "hangs-a": "timed-out", "killed-a": "lost",
        "hangs-gpu": "wrong-gpu", "hangs-nowhere": "not-run",
    }  # fmt: skip
    assert not processes(tmp_path / "slow.py")
