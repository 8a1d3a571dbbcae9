"""`evalkit attest`: the verdict of a run as an in-toto statement."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli import completion


def attest_command(
    run: Annotated[
        Path,
        typer.Argument(
            help="A run folder, or a file made by evalkit pack: what the gate will be given.",
            autocompletion=completion.runs,
        ),
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; default: stdout.")] = None,
) -> None:
    """Write the verdict of a run as an in-toto statement, for cosign or GitHub artifact attestations to sign.

    Exit codes: 0 written, 3 the run cannot be trusted (changed, simulated, interrupted): nothing is written.
    """
    from evalkit.errors import UsageError
    from evalkit.files import write_atomic
    from evalkit.stored.again import document_of
    from evalkit.stored.attest import evidence_of, statement
    from evalkit.stored.gate import untrusted
    from evalkit.stored.open import open_source
    from evalkit.text import json_page, one_line

    doubts = untrusted(open_source(run))
    if doubts:
        for doubt in doubts:
            sys.stderr.write(f"attest: cannot be trusted: {one_line(doubt, limit=1000)}\n")
        raise typer.Exit(3)
    text = json_page(statement(document_of(run), evidence=evidence_of(run)))
    if output is None:
        sys.stdout.write(text)
        return
    if output.exists():
        raise UsageError("exists already", where=str(output), hint="choose another name")
    write_atomic(output, text)
