"""CPU time of planning 200 cells, and of the report of 200 runs: PYTHONPATH=. python benchmarks/matrix.py"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path

import yaml

from evalkit.data import demo_path
from evalkit.matrix.outcome import DECIDED, Outcome, outcome
from evalkit.matrix.page import markdown
from evalkit.matrix.plan import Cell, Plan, plan, read, requests_hash, write
from evalkit.matrix.report import document
from evalkit.stats import ratio
from tests.support.small_run import make_run

MODES = ("autoregressive", "self-speculation")


def inputs(folder: Path) -> Path:
    prompts = [{"id": f"p{n:03}", "prompt": f"Tell me {n} facts about rivers.", "max_tokens": 64} for n in range(160)]
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, prompts)), encoding="utf-8")
    base = {"prompts": ["prompts.jsonl"], "modes": {mode: {} for mode in MODES}, "tasks": []}
    (folder / "checklist.yaml").write_text(yaml.safe_dump(base), encoding="utf-8")
    engines = [
        {"name": f"e{n}", "modes": {mode: {"launch": ["serve", f"--knob={n}"]} for mode in MODES}} for n in range(5)
    ]
    variants = [{"model": str(demo_path("trident-8b")), "name": f"v{n}"} for n in range(5)]
    hardware = [{"name": name.lower(), "card": name} for name in ("H100-80GB", "H200", "L40S", "A100-80GB")]
    axes = {"variants": variants, "engines": engines, "hardware": hardware, "load": [1, 8]}
    path = folder / "matrix.yaml"
    path.write_text(yaml.safe_dump({"base": "checklist.yaml", "axes": axes}), encoding="utf-8")
    return path


def stored(folder: Path) -> None:
    """200 cells with the run that the suite packs as their result, each to be read and decided by itself."""
    (folder / "made").mkdir()
    run = make_run(folder / "made")
    checklist = json.loads((run / "checklist.json").read_text(encoding="utf-8"))
    frozen = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    shared = {
        "variant": "v", "engine": "e", "card": "H100-80GB", "precision": "bf16", "load": None, "plan_sha256": "1" * 64,
        "checklist_sha256": checklist["sha256"], "requests_sha256": requests_hash(frozen), "minutes": 3, "usd": None,
        "usd_per_gpu_hour": 2.0, "gpus": 1, "most_minutes": 36.0, "launches": False,
    }  # fmt: skip
    cells = tuple(Cell(id=f"c{n:03}", hardware=f"k{n:03}", **shared) for n in range(200))
    for cell in cells:
        (folder / "cells" / cell.id).mkdir(parents=True)
        shutil.copytree(run, folder / "cells" / cell.id / "run")
    text = Plan(name="bench", at_least=1.5, confidence=0.95, cells=cells).model_dump_json()
    (folder / "matrix.json").write_text(text, encoding="utf-8")


def reported(folder: Path):
    """The report. The runs are copies of one, so what one has drawn is forgotten before the next."""
    plan_ = read(folder)
    rows = []
    for cell in plan_.cells:
        ratio._bootstrap_t.cache_clear()  # noqa: SLF001  the copies are one run
        rows.append((cell, outcome(cell, folder / "cells" / cell.id)))
    return document(plan_, rows)


def timed(call):
    before = time.process_time()
    found = call()
    return found, time.process_time() - before


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = inputs(folder)
        made, first = timed(lambda: plan(path, folder / "out"))
        _, second = timed(lambda: plan(path, folder / "out"))
        _, written = timed(lambda: write(made, folder / "out"))
        go = Outcome(status="go", mode="self-speculation", ratio=2.0, low=1.8, high=2.2, e2e_p50_ms=50.0)
        _, page = timed(lambda: markdown(document(made.plan, [(cell, go) for cell in made.plan.cells])))
        folder = Path(name) / "stored"
        folder.mkdir()
        stored(folder)
        found, whole = timed(lambda: reported(folder))
        assert all(one["status"] in DECIDED for one in found["cells"]), found["counts"]
    print("| work | cells | CPU s |")
    print("| --- | ---: | ---: |")
    rows = (
        ("plan, first", first),
        ("plan again", second),
        ("write the folders", written),
        ("page", page),
        ("report of stored runs", whole),
    )
    for what, seconds in rows:
        print(f"| {what} | {len(made.plan.cells)} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
