"""Writes the examples of the documentation again: python docs/examples/make.py [WHAT]

`render` (the default, part of `make docs`): the reports from their stored runs, and what the README quotes.
`loads`: the pictures of docs/load.md, from simulated servers.
`pictures`: the screenshots in this folder, by Chromium and Playwright.
`no-go`, `matrix` and `real` run again: `no-go` on the demo's servers; `matrix` on reference servers that play three
engines; `real` on four real ones (after tests/real/setup.sh), on an
otherwise quiet machine. Each keeps its run as run.pack.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))
SERVERS = {31001: "ar", 31002: "diffusion:b8-t0.5", 31003: "diffusion:b32-t0.5", 31004: "ngram"}
_EXCERPT = re.compile(r"(<!-- report-excerpt -->\n).*?(<!-- /report-excerpt -->)", re.DOTALL)


def runs(folder: Path) -> dict[str, Path]:
    """The stored runs by name; the demo's is that of tests/fixtures/runs."""
    from tests.golden.replay import unpacked

    return {
        "demo": unpacked("demo", folder),
        "no-go": HERE / "no-go" / "run.pack",
        "real-cpu": HERE / "real-cpu" / "run.pack",
    }


def render() -> None:
    """Each report in Markdown with its charts beside it."""
    from evalkit.report.formats import markdown
    from evalkit.report.words import charts
    from evalkit.stored.again import document_of

    with tempfile.TemporaryDirectory() as temporary:
        for name, run in runs(Path(temporary)).items():
            target = HERE / "demo-report.md" if name == "demo" else HERE / name / "report.md"
            drawn, beside = charts.draw(document := document_of(run)), "demo-charts" if name == "demo" else "charts"
            text = markdown.render(document, charts=drawn)
            target.write_text(text.replace("](charts/", f"]({beside}/"), encoding="utf-8")
            shutil.rmtree(target.parent / beside, ignore_errors=True)
            (target.parent / beside).mkdir()
            for chart, svg in drawn.items():
                (target.parent / beside / f"{chart}.svg").write_text(svg, encoding="utf-8")
    matrix_page()
    excerpt(HERE / "demo-report.md")


def matrix_page() -> None:
    """The page of the stored matrix."""
    from evalkit.matrix.page import markdown

    document = json.loads((HERE / "matrix" / "matrix-report.json").read_text(encoding="utf-8"))
    (HERE / "matrix" / "matrix.md").write_text(markdown(document), encoding="utf-8")


def excerpt(report: Path) -> None:
    """The decision and the matrix of the report, quoted in the README."""
    text = report.read_text(encoding="utf-8").split("\n## ")[0]
    kept = [line for line in text.splitlines() if line.startswith(("# ", "**", "|", "- **May", "- **Against"))]
    place = report.relative_to(ROOT).as_posix()
    lines: list[str] = []
    for line in kept:
        if not (
            lines and lines[-1][0] == line[0] and line[0] in "|-"
        ):  # rows of a table and points of a list go together
            lines.append("")
        lines.append(line.removeprefix("# ") if line.startswith("# ") else line)
    lines[1] = f"**{lines[1]}**"
    quoted = "\n".join(f"> {line}".rstrip().replace("](#", f"]({place}#") for line in lines[1:])
    readme = ROOT / "README.md"
    readme.write_text(_EXCERPT.sub(lambda m: f"{m[1]}\n{quoted}\n\n{m[2]}", readme.read_text(encoding="utf-8")))


def loads() -> None:
    """What docs/load.md draws: two servers of eight places searched for their capacity, and one in a closed loop."""
    from evalkit.analysis.capacity import capacity
    from evalkit.analysis.load import by_rate, shown
    from evalkit.checklist.load import CapacityAsked
    from evalkit.report.words import charts
    from tests.support.queues import WITHIN, Server, closed_loop, searched

    slo: dict[str, Any] = {"e2e_ms": 2500, "ttft_ms": None, "share": 0.95}
    asked = CapacityAsked.model_validate({"slo": slo, "seconds": 60, "blocks": 8})

    def curve(groups: Any) -> list[dict[str, Any]]:
        return [{"rate": one.rate, "e2e_ms": one.e2e_ms} for group in groups if (one := shown(group))]

    def entry(name: str, points: Any, **span: float | None) -> dict[str, Any]:
        return {"mode": name, "capacity": {"slo": slo, "curve": points, "low": None, "high": None, **span}}

    found = []
    for name, server in (("autoregressive", Server()), ("self-speculation", Server(mean_ms=600))):
        search, blocks = searched(server, name, asked, within=WITHIN)
        one = capacity(search.edges, asked, 0.95)
        assert one is not None
        found.append(entry(name, curve(by_rate(blocks, name, "capacity").values()), low=one.low, high=one.high))
    steps = [[Server().block("a", 0, rate, 600, load="x")] for rate in (1, 2, 3, 4, 5, 6, 6.5, 7, 7.5, 7.8)]
    users = [[closed_loop(Server(), many, 600)] for many in range(1, 9)]
    pair = [entry("from the intended start", curve(steps)),
            entry("in a closed loop", curve(users))]  # fmt: skip
    for file, entries in (("load", found), ("closed", pair)):
        svg = charts.load({"modes": entries, "incumbent": None})
        (HERE / f"{file}.svg").write_text(svg, encoding="utf-8")


#: name: (run, width, height, dark or light, script before the picture)
PICTURES = {
    "report": ("demo", 1100, 740, "light", ""),
    "report-dark": ("demo", 1100, 740, "dark", ""),
    "report-phone": ("demo", 400, 860, "light", ""),
    "no-go": ("no-go", 1100, 860, "light", ""),
    "cases": (
        "no-go", 1100, 760, "light",
        "document.querySelector('#cases').scrollIntoView(); document.querySelectorAll('#case-table button')[1].click()",
    ),
    "prompts": ("demo", 1100, 640, "light", "document.querySelector('#prompts').scrollIntoView()"),
}  # fmt: skip


def pictures() -> None:
    from playwright.sync_api import sync_playwright

    from evalkit.report.formats import html
    from evalkit.stored.again import document_of

    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("no Chromium: the pictures stay as they were")
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        known, opened = (
            runs(Path(temporary)),
            playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"]),
        )
        for name, (run, width, height, scheme, script) in PICTURES.items():
            file = Path(temporary) / f"{run}.html"
            if not file.exists():
                file.write_text(html.render(document_of(known[run])), encoding="utf-8")
            page = opened.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(file.as_uri())
            page.evaluate(script or "0")
            page.screenshot(path=HERE / f"{name}.png")
        picture_of_matrix(opened, Path(temporary))
        opened.close()


_STYLE = """body { font: 15px/1.5 system-ui, sans-serif; margin: 24px 32px; color: #1f2328 } h1 { font-size: 24px }
h2 { font-size: 18px; margin: 20px 0 6px } p, ul { margin: 6px 0 } table { border-collapse: collapse; margin: 8px 0 }
th, td { border: 1px solid #d0d7de; padding: 5px 10px; text-align: left } th { background: #f6f8fa }"""


def picture_of_matrix(opened: Browser, folder: Path) -> None:
    """The page of the stored matrix as a reader of Markdown shows it."""
    from markdown_it import MarkdownIt

    text = (HERE / "matrix" / "matrix.md").read_text(encoding="utf-8").split("\n## Cells")[0]
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    file = folder / "matrix.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style>{body}", encoding="utf-8")
    page = opened.new_page(viewport={"width": 1060, "height": 600}, color_scheme="light")
    page.goto(file.as_uri())
    page.screenshot(path=HERE / "matrix.png", full_page=True)


#: engines of the example, by how long self-speculation takes as a share of what the script of the server says
ENGINES = {"sglang": 1.0, "sglang-patched": 0.7, "other": 2.4}


def matrix() -> None:
    """Three engines at two loads, each played by two reference servers. Other work on this machine is allowed."""
    from evalkit.data import demo_path
    from evalkit.reference import ReferenceProcess, preset
    from tests.support.small_run import MODEL, write_inputs

    modes = ("autoregressive", "self-speculation")
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        base = write_inputs(folder, {mode: {} for mode in modes})
        asked = yaml.safe_load(base.read_text(encoding="utf-8"))
        asked["items"]["modes"]["outside_cpu"] = 1.0
        base.write_text(yaml.safe_dump(asked), encoding="utf-8")
        engines = []
        for name, factor in ENGINES.items():
            plain, fast = (preset(mode, speed=1.5, model=MODEL) for mode in modes)
            scripts = [plain, fast.model_copy(update={"ms_per_forward": fast.ms_per_forward * factor})]
            urls = [stack.enter_context(ReferenceProcess(script)).base_url for script in scripts]
            places = {mode: {"endpoint": url} for mode, url in zip(modes, urls, strict=True)}
            engines.append({"name": name, "modes": places})
        axes = {
            "variants": [{"model": str(demo_path("trident-8b")), "name": "trident-8b"}], "engines": engines,
            "hardware": [{"name": "h100", "card": "H100-80GB", "usd_per_gpu_hour": 3.0}], "load": [1, 4],
        }  # fmt: skip
        text = yaml.safe_dump({"name": "Trident 8B on three engines", "base": "checklist.yaml", "axes": axes})
        (folder / "matrix.yaml").write_text(text, encoding="utf-8")
        subprocess.run([sys.executable, "-m", "evalkit", "matrix", "run", "matrix.yaml"], cwd=folder, check=False)
        shutil.copy(folder / "evalkit-matrix" / "matrix-report.json", HERE / "matrix" / "matrix-report.json")
    matrix_page()


def again(name: str, *options: str) -> None:
    """The run of an example, kept as a pack. Every path is relative, so that none of this machine is in it."""
    folder = HERE / name
    for words in (["run", "checklist.yaml", *options, "--output-dir", "run"], ["pack", "run", "-o", "run.pack.new"]):
        done = subprocess.run([sys.executable, "-m", "evalkit", *words], cwd=folder, check=False)
        if done.returncode not in {0, 1, 3}:
            sys.exit(done.returncode)
    shutil.rmtree(folder / "run")
    (folder / "run.pack.new").replace(folder / "run.pack")


def real() -> None:
    from tests.real.servers import RealSglang

    with ExitStack() as stack:
        for port, mode in SERVERS.items():
            stack.enter_context(RealSglang(mode, port))
        again("real-cpu")


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "render"
    {
        "render": render,
        "pictures": pictures,
        "real": real,
        "matrix": matrix,
        "loads": loads,
        "no-go": lambda: again("no-go", "--demo"),
    }[chosen]()
