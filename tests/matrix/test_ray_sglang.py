"""Cells on a Ray cluster against a real SGLang (`make ray` after `make real`): as `local` has them, and none is left."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import yaml

from evalkit.matrix.outcome import DECIDED
from evalkit.matrix.plan import read
from tests.matrix.test_ray import PYTHON, cluster, driver, kind, pytestmark, ran, report_of, timed  # noqa: F401
from tests.real import servers
from tests.real.test_afternoon import own_files
from tests.real.test_sweep import command
from tests.support.matrix import processes, waited_for

if reason := servers.available("diffusion:b8-t0.5"):
    pytest.skip(reason, allow_module_level=True)

#: in the command line of whatever belongs to a cell on a node
CELL = str(Path(tempfile.gettempdir()) / "evalkit-cell-")
#: seconds for a server to start, beside other work
START_S = 400


def write_matrix(folder, modes, hardware, **more):
    """Cells of tiny-trimode, timed on few prompts and asked few tasks."""
    prompts, tasks = own_files(folder, 20, 12)
    model = str(servers.model_folder("diffusion"))
    nothing = {"required": False}
    (folder / "checklist.yaml").write_text(yaml.safe_dump({
        "name": "tiny-trimode", "candidate": {"model": model, "same_weights": True},
        "use": {"purpose": "research", "commercial": False}, "request": {"max_tokens": 64}, "modes": {mode: {} for mode in modes},
        "prompts": [str(prompts)], "tasks": [str(tasks)],
        "limits": {"first_byte_s": 600.0, "idle_s": 300.0, "total_s": 900.0},
        "items": {
            # other work on the machine of a test is no news
            "modes": {"outside_cpu": 1.0, "launches": "single", "speedup": {"at_least": 2.0}, "repeated": {"prompts": 0}},
            "quality": nothing, "serving": nothing, "license": nothing, "context": {**nothing, "probe": False},
        },
    }))  # fmt: skip
    path = folder / "matrix.yaml"
    path.write_text(yaml.safe_dump({
        "name": "a real server on Ray", "base": "checklist.yaml", "axes": {
            "variants": [{"model": model, "name": "tiny"}], "engines": [{"name": "sglang-cpu", "modes": modes}],
            "hardware": hardware, **more,
        },
    }))  # fmt: skip
    return path


def test_cells_of_a_real_server_are_those_of_local(cluster, tmp_path):  # noqa: F811
    """At two loads: the same plans, statuses and verdicts, and intervals that overlap."""
    with ExitStack() as stack:
        up = {
            mode: {"endpoint": stack.enter_context(servers.RealSglang(served, ready_timeout_s=START_S)).base_url}
            for mode, served in (("autoregressive", "ar"), ("diffusion", "diffusion:b8-t0.5"))
        }
        path = write_matrix(tmp_path, up, [kind("b")], load=[1, 2])
        near, far = tmp_path / "near", tmp_path / "far"
        codes = {ran(cluster, path, far), ran(cluster, path, near, "local")}
    assert {cell.id: cell.plan_sha256 for cell in read(near).cells} == {c.id: c.plan_sha256 for c in read(far).cells}
    here, there = report_of(near), report_of(far)
    print([[(one["status"], one["ratio"], one["low"], one["high"]) for one in page.values()] for page in (here, there)])
    assert len(here) == 2
    assert len(codes) == 1
    assert {name: one["status"] for name, one in here.items()} == {name: one["status"] for name, one in there.items()}
    assert {one["status"] for one in here.values()} <= set(DECIDED)
    for name, one in here.items():
        assert one["low"] <= there[name]["high"]
        assert there[name]["low"] <= one["high"]


@pytest.mark.parametrize("killed", ["worker", "driver"])
def test_a_real_server_is_gone_when_what_started_it_was_killed(cluster, tmp_path, killed):  # noqa: F811
    """kill -9 while it is timed. Ray ends what it knows after three seconds; this server takes six."""
    path = write_matrix(tmp_path, {"autoregressive": {"launch": command("ar")}}, [kind("b")])
    out, cell = tmp_path / "out", "tiny--sglang-cpu--b--bf16"
    with driver(cluster, path, out) as process:
        assert waited_for(lambda: timed(out, cell), START_S), (path.parent / "driver.log").read_text()
        run = next(one for one in processes(CELL) if "keeper.py" in " ".join(one.cmdline()))
        family = [run, *run.children(recursive=True)]
        assert len([one for one in family if "sglang" in " ".join(one.cmdline())]) > 2  # scheduler and detokenizer too
        if killed == "worker":
            os.kill(run.ppid(), signal.SIGKILL)
        else:
            process.kill()
        _, alive = psutil.wait_procs(family, timeout=60)
        assert not [one for one in alive if servers.alive(one)]
        if killed == "worker":
            assert process.wait(300) == 3
            assert report_of(out)[cell]["status"] == "lost"
    assert not processes(CELL)
