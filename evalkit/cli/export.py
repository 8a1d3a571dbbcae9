"""`evalkit export`: a run's figures for other programs."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import completion


class Kind(StrEnum):
    """What can be written."""

    CSV = "csv"
    OPENMETRICS = "openmetrics"


def export_command(
    run: Annotated[
        Path, typer.Argument(help="A run folder, or a file made by evalkit pack.", autocompletion=completion.runs)
    ],
    to: Annotated[Kind, typer.Option("--to", help="csv writes prompts.csv and cases.csv; openmetrics goes to stdout.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the CSV files; default: this one.")
    ] = None,
) -> None:
    """Write a run's figures as CSV, or as OpenMetrics for a Pushgateway or node exporter. No text is in them.

    Exit codes: 0 written, 2 nothing to write.
    """
    from evalkit.errors import UsageError
    from evalkit.files import write_atomic
    from evalkit.stored.again import document_of
    from evalkit.stored.export import files_of, openmetrics
    from evalkit.stored.open import open_source

    if to is Kind.OPENMETRICS:
        sys.stdout.write(openmetrics(document_of(run)))
        return
    source = open_source(run)
    files = files_of(source.checklist().checklist, source.facts())
    if not files:
        raise UsageError("the run contains no timed request and no scored case", where=str(run))
    folder = output or Path()
    if not folder.is_dir():
        raise UsageError("is not a folder", where=str(folder), hint="create it, or leave --output out")
    for name in files:
        if (folder / name).exists():
            raise UsageError("exists already", where=str(folder / name), hint="choose another folder with --output")
    for name, text in files.items():
        write_atomic(folder / name, text)
        typer.echo(f"wrote {folder / name}", err=True)
