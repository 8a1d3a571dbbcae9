"""Writes a run's reports: each file whole or not at all, private, the same bytes for the same document."""

from __future__ import annotations

from pathlib import Path

from evalkit.files import make_private, write_atomic
from evalkit.report.document.model import Report
from evalkit.report.formats import FORMATS, format_named


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
