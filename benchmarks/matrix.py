"""CPU time of planning 200 cells, and of the page of 200 cells: python benchmarks/matrix.py"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import yaml

from evalkit.data import demo_path
from evalkit.matrix.outcome import Outcome
from evalkit.matrix.plan import plan, write
from evalkit.matrix.report import document, markdown

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
    print("| work | cells | CPU s |")
    print("| --- | ---: | ---: |")
    rows = (("plan, first", first), ("plan again", second), ("write the folders", written), ("page", page))
    for what, seconds in rows:
        print(f"| {what} | {len(made.plan.cells)} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
