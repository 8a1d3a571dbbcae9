"""`evalkit directory MODEL`: the entry for a directory of models, from shipped records; no run is needed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.errors import UsageError

if TYPE_CHECKING:
    from evalkit.report.document.model.directory import Entry


def directory_command(
    model: Annotated[str, typer.Argument(help="Hub id, model folder, snapshot file, run folder or packed run.")],
    settled: Annotated[
        list[str] | None,
        typer.Option(
            help="A source that settles access, independent-benchmarks or production-deployment (repeat).",
            metavar="QUESTION=URL",
        ),
    ] = None,
    hub: Annotated[bool, typer.Option("--hub", help="Read the model's card from the Hub too.")] = False,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit to read.")] = "main",
    as_json: Annotated[bool, typer.Option("--json", help="Print the entry as one JSON document.")] = False,
) -> None:
    """Write the entry of a model for a directory of models: front matter and Markdown, to stdout.

    A known model is described from the records that evalkit ships, without network. A model that no record covers is
    read from the Hub. Every claim has its source; the status is `watch` until three questions are settled.
    """
    from evalkit.report.formats.directory import clean, page
    from evalkit.text import json_page

    made = _entry(model, _pairs(settled or []), revision, hub=hub)
    sys.stdout.write(json_page(clean(made)) if as_json else page(made))


def _pairs(given: list[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, url = text.partition("=")
        if not equals:
            raise UsageError(
                f"--settled {text}: write QUESTION=URL", hint="--settled access=https://example.org/access"
            )
        found[name] = url
    return found


def _entry(model: str, settled: dict[str, str], revision: str, *, hub: bool) -> Entry:
    from evalkit.data.records import family_of
    from evalkit.hub import collect
    from evalkit.report.directory import entry

    today = datetime.now(UTC).date()
    path = Path(model)
    if _is_run(path):
        from evalkit.stored.again import document_of

        run = document_of(path)
        name = run["candidate"].get("model") or "unknown"
        local = run["candidate"].get("kind") == "folder"
        return entry(Path(name).name if local else name, run=run, settled=settled, today=today)
    if not path.exists() and not hub and family_of(model) is not None:
        return entry(_as_recorded(model), settled=settled, today=today)
    facts = collect(model, revision=revision)
    if facts.error is not None:
        raise UsageError(f"{facts.model}: {facts.error}", hint=facts.hint)
    local = facts.kind == "folder"
    return entry(path.resolve().name if local else facts.model, facts=facts, settled=settled, today=today)


def _is_run(path: Path) -> bool:
    """A folder with a journal, or a packed file, which is compressed; a snapshot is plain JSON."""
    if path.is_dir():
        return (path / "journal.jsonl").exists()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _as_recorded(model: str) -> str:
    """The id in the letters of the records."""
    from evalkit.data.records import families

    known = (name for one in families() for name in one.ids)
    return next((name for name in known if name.casefold() == model.casefold()), model)
