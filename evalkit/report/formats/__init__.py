"""The formats of a report, each in a file of its own: this list is what `run` writes, `report` offers and the docs say.

To add one: a module here with `render(doc)`, or `render(doc, *, charts)` where it shows charts (SVG by name), and a
line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from evalkit.files import make_private, write_atomic
from evalkit.report.document.model import Report


@dataclass(frozen=True)
class Format:
    """`module` is imported when it is used. `file`: what a run writes it as; None: only `evalkit report` makes it."""

    name: str
    about: str
    module: str
    file: str | None = None
    #: whether it shows the charts, which take as long to draw as all else of a report
    drawn: bool = False

    def render(self, doc: Report, charts: Mapping[str, str]) -> str:
        """The text; pure."""
        render = import_module(f"evalkit.report.formats.{self.module}").render
        text: str = render(doc, charts=charts) if self.drawn else render(doc)
        return text


FORMATS = (
    Format("markdown", "the report to forward, with charts as files", "markdown", "report.md", drawn=True),
    Format("json", "everything, for programs: see report-json.md", "report_json", "report.json"),
    Format("html", "one page that loads nothing", "html", "report.html", drawn=True),
    Format("junit", "one case a finding, for CI systems", "junit", "junit.xml"),
    Format("terminal", "the first screen, 80 columns", "terminal"),
    Format("github", "a step summary within GitHub's limit of size", "github"),
    Format("badge", "an endpoint badge of shields.io, JSON", "badge"),
    Format("directory", "an entry for a directory of models: front matter and Markdown", "directory"),
)


def format_named(name: str) -> Format:
    """One of `FORMATS`; KeyError for another name."""
    return {one.name: one for one in FORMATS}[name]


def rendered(name: str, doc: Report) -> str:
    """The document in one of `FORMATS`, as `evalkit report --format` prints it."""
    from evalkit.report.words import charts

    chosen = format_named(name)
    return chosen.render(doc, charts.draw(doc) if chosen.drawn else {})


def write_all(run_dir: Path, doc: Report) -> dict[str, Path]:
    """Every format that has a file, and charts/*.svg, in `run_dir`; the paths by name.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    from evalkit.report.words import charts

    drawn = charts.draw(doc)
    if drawn:
        folder = run_dir / "charts"
        make_private(folder)
        for name, svg in sorted(drawn.items()):
            write_atomic(folder / f"{name}.svg", svg)
    texts = {one.file: one.render(doc, drawn) for one in FORMATS if one.file}
    for name, text in texts.items():
        write_atomic(run_dir / name, text)
    return {name: run_dir / name for name in texts}
