"""`evalkit pack`: a run in one small file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import completion


def pack_command(
    run: Annotated[Path, typer.Argument(help="A run folder.", autocompletion=completion.runs)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; it must not exist.")],
    redact: Annotated[bool, typer.Option("--redact", help="Leave out every text of prompts and replies.")] = False,
) -> None:
    """Pack a run into one file that gate, report and compare accept."""
    from evalkit.errors import UsageError
    from evalkit.files import write_atomic
    from evalkit.stored.open import open_source
    from evalkit.stored.pack import pack

    if output.exists():
        raise UsageError("exists already", where=str(output), hint="choose another name")
    write_atomic(output, pack(open_source(run), redact=redact))
    size = output.stat().st_size
    typer.echo(f"{output}: {size / 1024:.1f} KiB{', redacted: it cannot be graded again' if redact else ''}", err=True)
