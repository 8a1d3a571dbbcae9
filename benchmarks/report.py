"""A report of 5,000 cases in four modes: CPU, memory and size of each format, and the filter of the page in Chromium.

    python benchmarks/report.py [CASES]

Each format is made by `evalkit report` in a process of its own, from a stored run of texts drawn by a seed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
MODES = ("autoregressive", "diffusion", "self-speculation", "diffusion@t0.9")
LOST = (0.05, 0.12, 0.06, 0.3)
FORMATS = ("markdown", "html", "json", "github", "junit", "terminal")
CODE = """
import json, resource, sys
from pathlib import Path
from evalkit.report.formats import rendered
from evalkit.stored.again import document_of
from tests.support.memory import peak_mib
text = rendered(sys.argv[2], document_of(Path(sys.argv[1])))
Path(sys.argv[3]).write_text(text, encoding="utf-8")
used = resource.getrusage(resource.RUSAGE_SELF)
json.dump({"mib": peak_mib(), "cpu": used.ru_utime + used.ru_stime}, sys.stdout)
"""
FILTER = """() => ['fail', 'lost', 'mode-3', 'pass', ''].map(value => {
  const box = document.getElementById('case-state'), from = performance.now();
  box.value = value; box.dispatchEvent(new Event('change')); document.body.getBoundingClientRect();
  return performance.now() - from;
})"""


def stored(folder: Path, cases: int) -> Path:
    """A run folder: `cases` graded replies of 60 words a mode, 200 prompts timed twice in each."""
    from evalkit.checklist.schema import Checklist
    from tests.support.quality_run import DECIDING, answer, reply, run_facts, timed
    from tests.support.stored_run import write_run

    noise = random.Random(1)
    wanted = DECIDING.model_dump(mode="json")
    wanted["modes"] = {mode: {"endpoint": f"http://127.0.0.1:3000{n}"} for n, mode in enumerate(MODES)}
    answers = []
    for n in range(cases):
        text = reply(noise, "", 60)
        for mode, lost in zip(MODES, LOST, strict=True):
            right = noise.random() >= lost
            said = answer(mode, f"case-{n:05}", text if right else reply(noise, "", 60), passed=right)
            answers.append(said.model_copy(update={"tags": (f"topic-{n % 12}",)}))
    samples = [
        timed(mode, n, repeat, (500 + 9 * n) / speed * noise.lognormvariate(0, 0.1), reply(noise, "", 40))
        for n in range(200) for repeat in range(2) for mode, speed in zip(MODES, (1.0, 1.6, 2.2, 1.9), strict=True)
    ]  # fmt: skip
    facts = run_facts(cases=1, prompts=200).model_copy(update={"answers": tuple(answers), "timed": tuple(samples)})
    suite = facts.suites[0].model_copy(update={"cases": cases})
    os.fsync = int  # type: ignore[assignment]  # the disk is not what is measured
    return write_run(
        folder / "run", Checklist.model_validate(wanted), facts.model_copy(update={"suites": (suite,)})
    ).path


def filtering(page: Path) -> list[float]:
    """Milliseconds of each of five filters, drawn included; empty where Chromium or Playwright is missing."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    if chromium is None:
        return []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.goto(page.as_uri())
        took: list[float] = opened.evaluate(FILTER)
        browser.close()
    return took


def main() -> None:
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = stored(folder, cases)
        print(f"{cases:,} cases, {len(MODES)} modes\n")
        print("| format | CPU s | peak MiB | size |\n| --- | ---: | ---: | ---: |")
        for name in FORMATS:
            target = folder / name
            command = [sys.executable, "-c", CODE, str(run), name, str(target)]
            used = json.loads(subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT).stdout)
            size = target.stat().st_size
            shown = f"{size / 1e6:.2f} MB" if size > 100_000 else f"{size / 1e3:.0f} kB"
            print(f"| {name} | {used['cpu']:.1f} | {used['mib']:.0f} | {shown} |")
        target = (folder / "html").rename(folder / "report.html")
        took = filtering(target)
        print(f"\nFilter in Chromium, ms: {', '.join(f'{one:.0f}' for one in took) or 'not measured'}")


if __name__ == "__main__":
    main()
