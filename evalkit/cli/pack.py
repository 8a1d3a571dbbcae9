"""`evalkit pack`: a run in one small file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import completion


def pack_command(
    run: Annotated[Path, typer.Argument(help="A run folder, or a packed run.", autocompletion=completion.runs)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; it must not exist.")],
    redact: Annotated[bool, typer.Option("--redact", help="Leave out every text of prompts and replies.")] = False,
) -> None:
    """Pack a run into one file that gate, report and compare accept.

    A packed run is packed again; one that is redacted already stays as it is, byte for byte.
    """
    from evalkit.errors import UsageError
    from evalkit.files import write_atomic
    from evalkit.stored.open import open_source
    from evalkit.stored.pack import pack

    if output.exists():
        raise UsageError("exists already", where=str(output), hint="choose another name")
    source = open_source(run)
    if redact and source.redacted:
        source.facts()  # all of it is a pack
        write_atomic(output, run.read_bytes())
    else:
        write_atomic(output, pack(source, redact=redact))
    size = output.stat().st_size
    typer.echo(f"{output}: {size / 1024:.1f} KiB{', redacted: it cannot be graded again' if redact else ''}", err=True)
