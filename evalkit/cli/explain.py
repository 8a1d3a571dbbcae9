"""`evalkit explain`: what a finding, status, grader, error, exit code, key or fact means."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def explain_command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="ID", help="Finding, status, grader, error, exit code, key of a checklist, variant or claim."
        ),
    ] = None,
) -> None:
    """Explain a finding, status, grader, error or key, and how to fix it. Without ID: list every id."""
    from evalkit.explain.explain import explain, overview

    sys.stdout.write(explain(name) if name is not None else overview())
