"""The document of a stored run, decided again as of the day it ended: the same run, the same bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalkit.report.document import build
from evalkit.report.source import open_source
from evalkit.run.facts import Facts


def document_of(path: Path, *, redact_prompts: bool = False) -> dict[str, Any]:
    """report.json of the run at `path`.

    Raises:
        RunFolderError: nothing there, or damaged.
    """
    from evalkit.verdict import decide

    source = open_source(path)
    facts, loaded = source.facts(), source.checklist()
    decision = decide(loaded.checklist, facts, as_of(facts))
    redacted = redact_prompts or source.redacted
    return build(loaded.checklist, facts, decision, redact_prompts=redacted)


def as_of(facts: Facts) -> datetime:
    """The moment a run ended, or began when it did not; UTC."""
    moment = datetime.fromisoformat(facts.end.finished_at if facts.end else facts.start.started_at)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def render_as(name: str, doc: dict[str, Any]) -> str:
    """The document in one of the formats of `evalkit report --format`."""
    from evalkit.report import charts, directory, github, html, junit, markdown, terminal
    from evalkit.report.write import to_json

    renderers = {
        "markdown": lambda d: markdown.render(d, charts=tuple(sorted(charts.draw(d)))),
        "json": to_json,
        "html": html.render,
        "junit": junit.render,
        "terminal": terminal.render,
        "github": github.render,
        "directory": directory.render,
    }
    text: str = renderers[name](doc)
    return text
