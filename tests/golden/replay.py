"""Every stored run to every format, plain and redacted: Markdown in full, of the rest a hash."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from evalkit.report.formats import FORMATS
from evalkit.report.words import charts
from evalkit.stored.again import document_of

RUNS = Path(__file__).parent.parent / "fixtures" / "runs"
EXPECTED = Path(__file__).parent / "expected"
NAMES = ("demo", "faults", "incumbent", "captured", "small")


def unpacked(name: str, folder: Path) -> Path:
    """The stored run as a folder under `folder`; a packed one where it is."""
    if (pack := RUNS / f"{name}.pack").exists():
        return pack
    target = folder / name
    if not target.exists():
        with tarfile.open(RUNS / f"{name}.tar.xz") as archive:
            archive.extractall(target, filter="data")
    return target


def outputs(run: Path) -> Iterator[tuple[str, str]]:
    """(name, text) of every format and chart; `redacted/…` those of `--redact-prompts`. Each chart is drawn once."""
    for prefix, redact in (("", False), ("redacted/", True)):
        document = document_of(run, redact_prompts=redact)
        drawn = charts.draw(document)
        yield from ((f"{prefix}{one.name}", one.render(document, drawn)) for one in FORMATS)
        if not redact:
            yield from ((f"charts/{chart}.svg", svg) for chart, svg in sorted(drawn.items()))


def expected(name: str) -> dict[str, str]:
    """What was kept of a run: sha256 by output. Markdown in full is a file beside it."""
    kept: dict[str, str] = json.loads((EXPECTED / f"{name}.json").read_text(encoding="utf-8"))
    return kept


def keep(name: str, run: Path) -> None:
    """Write the expected outputs of a run again."""
    texts = dict(outputs(run))
    EXPECTED.mkdir(exist_ok=True)
    (EXPECTED / f"{name}.md").write_text(texts["markdown"], encoding="utf-8")
    found = {output: sha256(text) for output, text in sorted(texts.items())}
    (EXPECTED / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
