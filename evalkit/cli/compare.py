"""`evalkit compare`: stored runs side by side."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import completion


class Layout(StrEnum):
    TABLE = "table"
    MARKDOWN = "markdown"
    JSON = "json"


def compare_command(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders, packs or folders of a matrix (all its cells); the first is compared with.",
            autocompletion=completion.runs,
        ),
    ],
    output: Annotated[Layout, typer.Option("--format", help="What to write to stdout.")] = Layout.TABLE,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare runs on the same prompts and tasks: machines, server versions, modes, dates.

    Exit 0 when every run could be compared with the first, 3 when not.
    """
    from evalkit.errors import UsageError
    from evalkit.matrix import is_matrix
    from evalkit.stored.compare import Run, compare
    from evalkit.stored.comparison_text import to_markdown, to_table
    from evalkit.stored.open import open_source
    from evalkit.text import json_page

    paths = [path for given in runs for path in (_cells(given) if is_matrix(given) else [given])]
    if len(paths) < 2:
        raise UsageError("compare needs at least two runs", hint="evalkit compare RUN RUN")
    sides = []
    for path in paths:
        source = open_source(path)
        notes = [*source.verify(), *(f"it cannot {what}" for what in source.cannot)]
        sides.append(Run(str(path), source.checklist().checklist, source.facts(), tuple(notes)))
    document = compare(sides)
    as_json = json_output or output is Layout.JSON
    as_text = to_table if output is Layout.TABLE else to_markdown
    text = json_page(document) if as_json else as_text(document)
    sys.stdout.write(text)
    raise typer.Exit(0 if document["comparable"] else 3)


def _cells(matrix: Path) -> list[Path]:
    from evalkit.matrix.gate import runs_of

    return runs_of(matrix)
