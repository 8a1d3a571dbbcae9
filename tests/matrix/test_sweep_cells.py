"""A sweep in a cell: its plan, what cannot be swept, and a whole cell whose servers evalkit starts itself."""

from __future__ import annotations

import json
import sys

import pytest
import yaml

from evalkit.checklist.loader import load_checklist
from evalkit.data import demo_path
from evalkit.matrix.plan import plan, requests_hash, write
from evalkit.stored.folder import RunFolder
from tests.cli.command import evalkit
from tests.support.small_run import MODEL, write_inputs

MODES = ("autoregressive", "diffusion")
GRID = {"block_size": [16, 32, 64], "threshold": [0.5, 0.9]}


def matrix(folder, knobs, engines):
    write_inputs(folder, {mode: {} for mode in MODES})
    _once(folder / "checklist.yaml")
    prompts = [{"id": f"p{n:02}", "prompt": f"Tell me {n} facts about rivers.", "max_tokens": 32} for n in range(40)]
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, prompts)))
    path = folder / "matrix.yaml"
    path.write_text(yaml.safe_dump({
        "name": "sweep", "base": "checklist.yaml", "sweep": {"mode": "diffusion", "knobs": knobs},
        "axes": {
            "variants": [{"model": str(demo_path("trident-8b")), "name": "trident"}],
            "engines": engines, "hardware": [{"name": "cpu", "card": "cpu"}],
        },
    }))  # fmt: skip
    return path


def _once(path):
    """Each server is started once: these servers do not differ. Their gain is well above the least that is asked."""
    document = yaml.safe_load(path.read_text())
    document["items"]["modes"] |= {"launches": "single", "speedup": {"at_least": 1.1}}
    path.write_text(yaml.safe_dump(document))


def own(*more, name="own"):
    return {"name": name, "modes": {"autoregressive": {"launch": ["serve"]}, "diffusion": {"launch": ["serve", *more]}}}


def test_a_cell_has_the_sweep_and_the_template_and_its_minutes_count_the_stages(tmp_path):
    path = matrix(tmp_path, GRID, [own("{block_size}", "{threshold}")])
    made = plan(path, tmp_path / "out")
    write(made, tmp_path / "out")
    (cell,) = made.plan.cells
    checklist = load_checklist(tmp_path / "out" / "cells" / cell.id / "checklist.yaml").checklist
    assert checklist.sweep.knobs.points()[1] == {"block_size": 16, "threshold": 0.9}
    assert checklist.modes["diffusion"].launch == ["serve", "{block_size}", "{threshold}"]
    without = yaml.safe_load(path.read_text())
    del without["sweep"]
    path.write_text(yaml.safe_dump(without))
    plain = plan(path, tmp_path / "out").plan.cells[0]
    assert cell.minutes > plain.minutes
    assert cell.plan_sha256 != plain.plan_sha256


def test_the_requests_of_a_swept_cell_are_the_same_whichever_settings_are_left():
    one = {"prompts": "p", "suites": {}, "seed": 1, "skip": {}, "sweep": "s", "modes": ["a"], "requests": ["a|1"]}
    assert requests_hash(one) == requests_hash({**one, "modes": ["b"], "requests": ["b|1"]})
    assert requests_hash(one) != requests_hash({**one, "sweep": "t"})
    assert requests_hash(one) != requests_hash({key: value for key, value in one.items() if key != "sweep"})


def test_a_command_that_cannot_be_told_a_knob_leaves_the_cell_out(tmp_path):
    path = matrix(tmp_path, GRID, [own(name="plain"), own("{block_size}", "--t={threshold}")])
    made = plan(path, tmp_path / "out").plan
    assert [cell.engine for cell in made.cells] == ["own"]
    assert "sweep.knobs.block_size" in made.left[0].why[0]


def test_a_change_of_the_grid_is_another_plan(tmp_path):
    first = plan(matrix(tmp_path, GRID, [own("{block_size}", "{threshold}")]), tmp_path / "out").plan.cells[0]
    second = plan(
        matrix(tmp_path, {**GRID, "threshold": [0.5, 0.8]}, [own("{block_size}", "{threshold}")]), tmp_path / "out"
    )
    assert second.plan.cells[0].plan_sha256 != first.plan_sha256


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_whole_cell_starts_its_settings_screens_them_and_decides_the_rest(tmp_path, capsys):
    """Larger blocks in as many forwards are faster; a server whose window is 8 tokens does not start (a knob here)."""
    serve = [sys.executable, "-m", "evalkit", "reference-server", "--port", "{port}", "--set", "speed=10",
             "--set", f"model={MODEL}"]  # fmt: skip
    engine = {
        "name": "reference",
        "modes": {
            "autoregressive": {"launch": [*serve, "--mode", "autoregressive"]},
            "diffusion": {"launch": [*serve, "--mode", "diffusion", "--set", "block_size={block_size}",
                                     "--set", "context_length={max_running_requests}"]},
        },
    }  # fmt: skip
    path = matrix(tmp_path, {"block_size": [8, 48], "max_running_requests": [8, 8192]}, [engine])
    out = tmp_path / "out"
    assert evalkit(capsys, "matrix", "plan", path, "--output-dir", out).code == 0
    (folder,) = (out / "cells").iterdir()
    # by hand: another matrix on this machine would keep the cell waiting
    evalkit(capsys, "run", folder / "checklist.yaml", "--output-dir", folder / "run", "--yes")
    done = evalkit(capsys, "matrix", "report", out)
    (cell,) = json.loads((out / "matrix-report.json").read_text())["cells"]
    assert done.code in (0, 3), done.err
    assert cell["status"] in ("go", "inconclusive"), cell
    run = RunFolder.open(folder / "run")
    fates = {one.mode: one.fate for one in run.facts().sweep.settings}
    assert {fates[f"diffusion@b{block}-r8"] for block in (8, 48)} <= {"not-measured", "failed"}
    assert fates["diffusion@b48-r8192"] == "finalist"
    assert cell["mode"] == "diffusion@b48-r8192"
    assert run.verify() == []
