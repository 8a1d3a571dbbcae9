"""A cell on a node of its own, without Ray: what a Ray task runs, by real processes and servers."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys

import psutil
import pytest
import yaml

from evalkit.data import demo_path
from evalkit.errors import RunFolderError, UsageError
from evalkit.matrix import node
from evalkit.matrix.engines import Handle
from evalkit.matrix.engines import ray as ray_engine
from evalkit.matrix.outcome import DECIDED, Ended, outcome, write_ended
from evalkit.matrix.plan import plan
from evalkit.matrix.run import prepare
from evalkit.matrix.schema import RayPlace
from tests.support.matrix import cell, launching, processes, waited_for
from tests.support.small_run import servers, write_inputs

WORKER = """
import pickle, sys
from pathlib import Path
from evalkit.matrix.node import work
for update in work(pickle.load(open(sys.argv[1], "rb")), Path(sys.argv[2])):
    print(update["state"], flush=True)
"""


def one_cell(folder, modes, **matrix):
    """The cell of a matrix of one, planned and written in `folder`/out."""
    write_inputs(folder, {mode: {} for mode in modes}, again=0)
    path = folder / "matrix.yaml"
    path.write_text(yaml.safe_dump({
        "base": "checklist.yaml", "axes": {
            "variants": [{"model": str(demo_path("trident-8b")), "name": "trident"}],
            "engines": [{"name": "own", "modes": modes}],
            "hardware": [{"name": "here", "card": "cpu", "usd_per_gpu_hour": 2.0}],
        }, **matrix,
    }))  # fmt: skip
    planned = plan(path, folder / "out")
    (found,) = prepare(planned, folder / "out", resume=False)
    return found


@pytest.mark.slow
def test_a_cell_goes_to_a_node_and_its_run_comes_back_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(node, "_LOOK_S", 0.2)
    with servers() as modes:
        mine = one_cell(tmp_path, modes)
        folder = tmp_path / "out" / "cells" / mine.id
        task = node.bundle(tmp_path / "out", mine)
        updates = []
        for update in node.work(task, tmp_path / "token"):
            updates.append(update)
            node.received(folder, update)
    assert node.incomplete(folder, updates[-1]) == ""
    write_ended(folder, Ended.model_validate(updates[-1]["ended"]))
    assert outcome(mine, folder).status in DECIDED
    journals = [
        update["files"]["run/journal.jsonl"] for update in updates if "run/journal.jsonl" in update.get("files", {})
    ]
    assert len(journals) > 2
    assert [offset for offset, _ in journals[:1]] == [0]
    assert all(offset for offset, _ in journals[1:])  # it grows, and is not sent again
    assert not processes(task["folder"])
    (folder / "run" / "journal.jsonl").write_bytes(b"")
    assert node.incomplete(folder, updates[-1]) == "run/journal.jsonl"


@pytest.mark.slow
def test_a_worker_that_is_killed_leaves_no_server_although_that_takes_six_seconds_to_end(tmp_path):
    mine = one_cell(tmp_path, launching(tmp_path))
    task = tmp_path / "task"
    task.write_bytes(pickle.dumps(node.bundle(tmp_path / "out", mine)))
    with subprocess.Popen([sys.executable, "-c", WORKER, str(task), str(tmp_path / "token")]) as worker:
        slow = tmp_path / "slow.py"
        assert waited_for(lambda: len(processes(slow)) > 1)  # the server's, and its keeper's
        family = psutil.Process(worker.pid).children(recursive=True)
        assert len(family) >= 4  # the cell's keeper and run, the server's keeper and server
        os.kill(worker.pid, signal.SIGKILL)
    assert waited_for(lambda: not processes(slow))
    assert waited_for(lambda: not any(one.is_running() for one in family))


def test_a_cell_that_takes_too_long_is_ended_on_its_node(tmp_path, monkeypatch):
    monkeypatch.setattr(node, "_LOOK_S", 0.1)
    hangs = {
        "autoregressive": {"launch": [sys.executable, "-c", "import time; time.sleep(600)", str(tmp_path), "{port}"]}
    }
    mine = one_cell(tmp_path, hangs, cell_minutes=0.05)
    *_, last = node.work(node.bundle(tmp_path / "out", mine), tmp_path / "token")
    assert last["ended"]["reason"] == "timed-out"
    assert waited_for(lambda: not processes("time.sleep(600)"))


def test_a_node_without_the_card_runs_nothing(tmp_path):
    given = {"cell": cell(card="H100-80GB", gpus=1, launches=True).model_dump(mode="json")}
    (only,) = node.work(given)
    assert only["ended"]["reason"] == "wrong-gpu"


def test_of_the_gpus_of_a_node_those_that_the_task_was_given_count(monkeypatch):
    gpus = [("0", "GPU-aa", "NVIDIA A100-SXM4-40GB"), ("1", "GPU-bb", "NVIDIA A100-SXM4-80GB")]
    for given, names in (("1", ["NVIDIA A100-SXM4-80GB"]), ("GPU-aa", ["NVIDIA A100-SXM4-40GB"]), ("", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
        assert node._visible(gpus) == names
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert len(node._visible(gpus)) == 2


@pytest.mark.parametrize("name", ["../x", "/etc/x", "run/../../x", "ended.json", "checklist.yaml", ""])
def test_a_node_writes_nothing_but_the_cell_s_run_and_log(tmp_path, name):
    with pytest.raises(RunFolderError):
        node.received(tmp_path, {"files": {name: (0, b"x")}})
    assert not list(tmp_path.iterdir())


def test_folders_of_cells_that_are_gone_are_removed_and_those_at_work_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(node.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(node, "_NEW_S", -1)
    for name in ("evalkit-cell-gone", "evalkit-cell-works", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".held").touch()
    held = os.open(tmp_path / "evalkit-cell-works" / ".held", os.O_RDWR)
    assert node.system.lock(held)
    node._sweep()
    os.close(held)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evalkit-cell-works", "other"]


def test_what_is_sent_has_the_inputs_and_no_key(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "sk-verysecretvalue1234567890")
    mine = one_cell(tmp_path, {"autoregressive": {"endpoint": "http://127.0.0.1:9", "api_key_env": "SOME_KEY"}})
    task = node.bundle(tmp_path / "out", mine)
    assert {"prompts.jsonl", "suite.yaml"} <= {name.rpartition("/")[2] for name in task["files"]}
    assert (
        b"verysecret" not in json.dumps({**task, "files": {k: v.decode() for k, v in task["files"].items()}}).encode()
    )


# -- the engine, with a stand-in for Ray's list of nodes ---------------------------------------------------------------


def placed(nodes, **asked):
    class Standin:
        @staticmethod
        def nodes():
            return nodes

    engine = object.__new__(ray_engine.Ray)
    engine._ray = Standin
    more = {key: asked.pop(key) for key in ("gpus", "launches") if key in asked}
    return engine._place(cell(ray=RayPlace(**asked), **more))


def a_node(cpus=8.0, labels=None, alive=True, **resources):
    return {"Alive": alive, "Resources": {"CPU": cpus, **resources}, "Labels": labels or {}}


def test_a_cell_takes_all_cpus_of_a_node_of_its_kind():
    nodes = [a_node(4.0), a_node(16.0, {"kind": "l4"}, GPU=2.0), a_node(64.0, {"kind": "l4"}, alive=False)]
    found = placed(nodes, labels={"kind": "l4"}, gpus=2, launches=True)
    assert found == {"num_gpus": 2, "num_cpus": 16.0, "label_selector": {"kind": "l4"}}
    assert placed(nodes, labels={"kind": "l4"}, gpus=2, launches=False)["num_gpus"] == 0


@pytest.mark.parametrize(
    "asked",
    [{"labels": {"kind": "h100"}}, {"accelerator": "H100"}, {"resources": {"lab": 1.0}}, {"gpus": 4, "launches": True}],
)
def test_a_kind_of_which_the_cluster_has_no_node_is_said_and_not_waited_for(asked):
    assert "no node" in placed([a_node(8.0, GPU=2.0)], **asked)


def test_nodes_of_several_sizes_are_no_one_kind():
    assert "8 to 16 CPUs" in placed([a_node(8.0), a_node(16.0)])
    assert placed([a_node(8.0), a_node(16.0)], cpus=16)["num_cpus"] == 16


def test_a_cell_whose_nodes_are_all_gone_does_not_wait_for_ever(tmp_path, monkeypatch):
    class Standin:
        cancelled, there = [], [a_node()]

        def nodes(self):
            return self.there

        def wait(self, streams, timeout):
            return [], streams

        def cancel(self, stream, force):
            self.cancelled.append(stream)

        exceptions = type("exceptions", (), {"RayError": OSError})

    monkeypatch.setattr(ray_engine, "_LOOK_S", 0.0)
    engine = object.__new__(ray_engine.Ray)
    engine._ray = Standin()
    (tmp_path / "cells" / "a").mkdir(parents=True)
    handle = Handle(cell(), tmp_path / "cells" / "a", ray_engine._Task("stream"))
    assert engine.poll(handle) == "waiting"
    engine._ray.there = []
    assert engine.poll(handle) == "waiting"  # it may come back
    monkeypatch.setattr(ray_engine, "_ABSENT_S", 0.0)
    assert engine.poll(handle) == "ended"
    assert engine._ray.cancelled == ["stream"]
    assert engine.fetch(handle).status == "not-run"


def test_a_node_with_another_evalkit_runs_nothing():
    task = {"version": "0.0.1", "cell": cell().model_dump(mode="json")}
    (only,) = ray_engine._task()(task)
    assert only["ended"]["reason"] == "failed"
    assert "0.0.1" in only["ended"]["detail"]


def test_without_ray_the_engine_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="not installed"):
        ray_engine.Ray(tmp_path, print)
