"""Writes the examples of the documentation again: python docs/examples/make.py demo | real

`demo` runs the demo, keeps its report and charts, puts its first screen into the README and takes the picture that
stands there (Chromium).
`real` starts four real servers (after tests/real/setup.sh), runs real-cpu/checklist.yaml on an otherwise quiet machine,
and keeps the report.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))
SERVERS = {31001: "ar", 31002: "diffusion:b8-t0.5", 31003: "diffusion:b32-t0.5", 31004: "ngram"}
_EXCERPT = re.compile(r"(<!-- report-excerpt -->\n).*?(<!-- /report-excerpt -->)", re.DOTALL)


def evalkit(*arguments: object) -> None:
    command = [sys.executable, "-m", "evalkit", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode not in {0, 1, 3}:
        sys.exit(done.returncode)


def keep(run: Path, target: Path, charts: str) -> None:
    """The Markdown report and its charts, found beside it under `charts`."""
    text = (run / "report.md").read_text(encoding="utf-8")
    text = text.replace("](charts/", f"]({charts}/").replace(str(run), "RUN").replace(f"{ROOT}/", "")
    target.write_text(text, encoding="utf-8")
    shutil.rmtree(target.parent / charts, ignore_errors=True)
    shutil.copytree(run / "charts", target.parent / charts)


def picture(page: Path, target: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("no Chromium: the picture stays as it was")
        return
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,1080"]
    subprocess.run([browser, *flags, f"--screenshot={target}", page.as_uri()], check=True, capture_output=True)


def excerpt(report: Path) -> None:
    """The first screen of the report, quoted in the README."""
    lines = report.read_text(encoding="utf-8").split("\n## ")[0].strip().splitlines()
    place = report.relative_to(ROOT).as_posix()
    quoted = "\n".join(f"> {line}".rstrip().replace("](#", f"]({place}#") for line in lines)
    readme = ROOT / "README.md"
    readme.write_text(_EXCERPT.sub(lambda m: f"{m[1]}\n{quoted}\n\n{m[2]}", readme.read_text(encoding="utf-8")))


def demo(folder: Path) -> None:
    evalkit("run", "--demo", "--output-dir", folder)
    keep(folder, HERE / "demo-report.md", "demo-charts")
    excerpt(HERE / "demo-report.md")
    picture(folder / "report.html", HERE / "report.png")


def real(folder: Path) -> None:
    from tests.real.servers import RealSglang

    with ExitStack() as stack:
        for port, mode in SERVERS.items():
            stack.enter_context(RealSglang(mode, port))
        evalkit("run", HERE / "real-cpu" / "checklist.yaml", "--output-dir", folder)
    keep(folder, HERE / "real-cpu" / "report.md", "charts")


if __name__ == "__main__":
    chosen = {"demo": demo, "real": real}[sys.argv[1] if len(sys.argv) > 1 else "demo"]
    with tempfile.TemporaryDirectory(prefix="evalkit-example-") as temporary:
        chosen(Path(temporary) / "run")
