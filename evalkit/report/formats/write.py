"""Writes a run's reports: each file whole or not at all, private, the same bytes for the same document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalkit.files import make_private, write_atomic
from evalkit.text import json_safe


def to_json(doc: dict[str, Any]) -> str:
    """report.json: UTF-8, two spaces, keys in the document's order, no NaN."""
    return json_safe(json.dumps(doc, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def write_all(run_dir: Path, doc: dict[str, Any]) -> dict[str, Path]:
    """report.md, report.json, report.html, junit.xml and charts/*.svg in `run_dir`; the paths by name.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    from evalkit.report.formats import html, junit, markdown
    from evalkit.report.words import charts

    drawn = charts.draw(doc)
    written: dict[str, Path] = {}
    if drawn:
        folder = run_dir / "charts"
        make_private(folder)
        for name, svg in sorted(drawn.items()):
            write_atomic(folder / f"{name}.svg", svg)
    outputs = {
        "report.json": to_json(doc),
        "report.html": html.render(doc),
        "junit.xml": junit.render(doc),
        "report.md": markdown.render(doc, charts=tuple(sorted(drawn))),
    }
    for name, text in outputs.items():
        write_atomic(run_dir / name, text)
        written[name] = run_dir / name
    return written
