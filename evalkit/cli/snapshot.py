"""`evalkit snapshot`: card, config, file list and license text in one file, for machines without network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def snapshot_command(
    model: Annotated[str, typer.Argument(help="Hub id or folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    revision: Annotated[str, typer.Option(help="Branch, tag or commit.")] = "main",
    license_text: Annotated[
        Path | None, typer.Option("--license-text", help="Add a license text that you have.")
    ] = None,
    fetch_license: Annotated[
        bool, typer.Option("--fetch-license", help="Fetch the card's license_link (https, public addresses only) too.")
    ] = False,
) -> None:
    """Keep what the Hub says of a model at one commit, for `candidate.model` on a machine without network."""
    from evalkit import hub

    commit = hub.write_snapshot(
        model, output, revision=revision, license_text=license_text, fetch_license=fetch_license
    )
    typer.echo(f"{output}: {model}@{commit}")
